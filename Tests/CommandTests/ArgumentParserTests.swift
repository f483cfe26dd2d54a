import Testing

@testable import Terminal

struct ArgumentParserTests {
  static let spec = CommandSpec(
    "cut", summary: "a test command",
    positionals: [Positional("MODEL", help: "what to cut"), Positional("TEXT", .optional, help: "a text")],
    options: [
      CommandOption("ratio", .double(0...1), help: ""), CommandOption("drop-layers", .indices, help: ""),
      CommandOption("memory", .size, help: ""), CommandOption("score", .choice(["wanda", "taylor"]), help: ""),
      CommandOption("q8", help: ""), CommandOption("q4k", help: ""),
      .threads, .quiet, .verbose, .output("where"),
    ],
    exclusive: [["q8", "q4k"]], examples: [.init("hoof cut m", "cuts")])

  func parse(_ words: String..., environment: [String: String] = [:]) throws(UsageError) -> Arguments {
    try ArgumentParser(Self.spec, environment: { environment[$0] }).parse(words)
  }

  func reason(_ words: String..., environment: [String: String] = [:]) -> String? {
    do throws(UsageError) {
      _ = try ArgumentParser(Self.spec, environment: { environment[$0] }).parse(words)
      return nil
    } catch {
      return error.reason
    }
  }

  @Test("values follow after a space or an equals sign, shorts cluster and take attached values")
  func spellings() throws {
    let spaced = try parse("m", "--ratio", "0.5", "-o", "out", "-qv")
    let tight = try parse("--ratio=0.5", "-qvoout", "m")
    for arguments in [spaced, tight] {
      #expect(arguments.double("ratio") == 0.5)
      #expect(arguments.string("output") == "out")
      #expect(arguments.has("quiet") && arguments.has("verbose"))
      #expect(arguments.first("MODEL") == "m")
    }
  }

  @Test("-- ends the options, - and negative numbers are words")
  func endOfOptions() throws {
    #expect(try parse("m", "--", "--ratio").first("TEXT") == "--ratio")
    #expect(try parse("-", "-5").all("MODEL") == ["-"])
    #expect(try parse("-", "-5").all("TEXT") == ["-5"])
  }

  @Test("index lists are inclusive, sorted, and add up when given twice")
  func indices() throws {
    #expect(try parse("m", "--drop-layers", "10-12,3,5,3").indices("drop-layers") == [3, 5, 10, 11, 12])
    #expect(try parse("m", "--drop-layers", "2", "--drop-layers=0-1").indices("drop-layers") == [0, 1, 2])
    for bad in ["", "3,", "-1", "5-3", "1-2-3", "a", "0-99999999999", "99999999999999999999", "١"] {
      #expect(reason("m", "--drop-layers=\(bad)")?.hasPrefix("--drop-layers: ") == true, "\(bad)")
    }
  }

  @Test("sizes take binary suffixes and refuse what does not fit")
  func sizes() throws {
    for (text, bytes) in [("4096", 4096), ("64K", 65536), ("1.5G", 3 << 29), ("2GiB", 2 << 30), ("512mb", 512 << 20)] {
      #expect(try parse("m", "--memory", text).int("memory") == bytes)
    }
    for bad in ["", "G", "1X", "-1G", "inf", "nan", "1e30", "9e18T", "0x10"] { #expect(reason("m", "--memory=\(bad)") != nil, "\(bad)") }
  }

  @Test("errors name the flag and suggest the nearest")
  func errors() {
    #expect(reason("m", "--drop-layer", "3") == "there is no option --drop-layer; did you mean --drop-layers?")
    #expect(reason("m", "--rtaio=1") == "there is no option --rtaio; did you mean --ratio?")
    #expect(reason("m", "--xyzzy") == "there is no option --xyzzy")
    #expect(reason("m", "-ratio") == "there is no option -r; did you mean --ratio?")
    #expect(reason("m", "--ratio") == "--ratio needs a value: --ratio X")
    #expect(reason("m", "--ratio", "--q8")?.hasPrefix("--ratio needs a value, but '--q8' follows") == true)
    #expect(reason("m", "--ratio", "-1") == "--ratio: -1 is out of range: expected 0.0 to 1.0")
    #expect(reason("m", "--ratio", "nan") == "--ratio: expected a number, not 'nan'")
    #expect(reason("m", "--threads", "two") == "--threads: expected a whole number, not 'two'")
    #expect(reason("m", "--q8=yes") == "--q8: takes no value")
    #expect(reason("m", "--score", "wandb") == "--score: expected wanda, taylor, not 'wandb'; did you mean 'wanda'?")
    #expect(reason("m", "--q8", "--q4k") == "--q8 and --q4k exclude each other")
    #expect(reason() == "MODEL is missing: what to cut")
    #expect(reason("m", "t", "u") == "'u' is one argument too many")
  }

  @Test("the environment fills in what is not given, and is checked the same way")
  func environment() throws {
    #expect(try parse("m", environment: ["HOOF_THREADS": "3"]).int("threads") == 3)
    #expect(try parse("m", "--threads", "5", environment: ["HOOF_THREADS": "3"]).int("threads") == 5)
    #expect(try parse("m", environment: ["HOOF_THREADS": ""]).int("threads") == nil)
    #expect(reason("m", environment: ["HOOF_THREADS": "0"]) == "HOOF_THREADS (for --threads): 0 is out of range: expected 1 to 1024")
  }

  @Test("help wins over everything else on the line")
  func help() throws { #expect(try parse("--help", "--nonsense").wantsHelp) }
}
