import Formats
import Generation
import Glibc
import JSON
import Serving
import TensorCore
import Terminal
import Tokenization
import Transformer

/// One `hoof serve`: models opened, engines started, the server run until it is asked to stop.
struct ServeRun {
  private let arguments: Arguments
  private let sources: [(id: String, source: ModelSource)]

  init(_ arguments: Arguments) throws {
    self.arguments = arguments
    let paths = arguments.all("MODEL")
    let names = try Self.names(of: paths, arguments)
    sources = try zip(names, paths).map { ($0, try Models.open($1)) }
  }

  /// Names that requests choose by: as --alias says, or as the files are called.
  private static func names(of paths: [String], _ arguments: Arguments) throws -> [String] {
    if let list = arguments.string("alias") {
      let names = list.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
      guard names.count == paths.count, !names.contains("") else {
        throw UsageError(command: "serve", "--alias: '\(list)' is not \(paths.count == 1 ? "one name" : "\(paths.count) names")")
      }
      guard Set(names).count == names.count else { throw UsageError(command: "serve", "--alias: '\(list)' has a name twice") }
      return names
    }
    var names: [String] = []
    for path in paths {
      let last = path.split(separator: "/").last { $0 != "." && $0 != ".." }.map(String.init) ?? "model"
      let base = last.hasSuffix(".hoof") && last.count > 5 ? String(last.dropLast(5)) : last
      let taken = { names.contains($0) }
      names.append(taken(base) ? (2...).lazy.map { "\(base)-\($0)" }.first { !taken($0) }! : base)
    }
    return names
  }

  /// - Parameter onListening: told of the address.
  func run(onListening: (String) throws -> Void = { try Output.line($0) }) throws {
    let tokenizers = try sources.map { try Models.requiredTokenizer(of: $0.source) }
    let contexts = sources.map { contextLength(of: $0.source) }
    let backend = try openBackend(arguments, for: sources[0].source, writesText: true) { backend in
      zip(sources, contexts).reduce(0) { sum, entry in
        let cache = KVCache.byteCount(entry.0.source.config, slots: arguments.int("slots") ?? 1, capacity: entry.1, on: backend)
        return sum + ModelFit(entry.0.source, on: backend).weights + cache
      }
    }
    let slots = arguments.int("slots") ?? self.slots(contexts, on: backend)
    var engines: [GenerationEngine] = []
    var models: [ServedModel] = []
    for (index, entry) in sources.enumerated() {
      let engine = try GenerationEngine(
        try Llama(entry.source, on: backend), tokenizers[index], slots: slots, contextLength: contexts[index],
        queue: arguments.int("queue") ?? 128)
      engines.append(engine)
      models.append(served(entry.id, entry.source, tokenizers[index], engine, isBase: index == 0))
    }
    var options = Server.Options(arguments)
    options.version = Program.version
    let server = try Server(models, options)
    let isLoud = !arguments.has("quiet")
    server.onNotice = { if isLoud { Output.note("hoof: \($0)") } }
    if arguments.has("verbose") { server.onAnswered = { Output.note("hoof: \($0)") } }
    let port = try server.listen()
    if isLoud { introduce(contexts, slots, options) }
    let host =
      options.host == "0.0.0.0" || options.host == "::" ? "127.0.0.1" : options.host.contains(":") ? "[\(options.host)]" : options.host
    try onListening("http://\(host):\(port)/")
    let threads = engines.map { engine in EngineThread { engine.run() } }
    let ending = server.run()
    for engine in engines { engine.shutDown() }
    for thread in threads { thread.join() }
    if ending == .forced { throw Interrupted() }
  }

  /// The more answers are written side by side, the more each reading of the weights gives, as far as there is memory for what they remember.
  private func slots(_ contexts: [Int], on backend: any ComputeBackend) -> Int {
    let room = backend.memory().free / 4
    return [32, 16, 8, 4, 2].first { slots in
      zip(sources, contexts).reduce(0) { $0 + KVCache.byteCount($1.0.source.config, slots: slots, capacity: $1.1, on: backend) } <= room
    } ?? 1
  }

  private func contextLength(of source: ModelSource) -> Int {
    min(arguments.int("context") ?? 4096, source.config.contextLength)
  }

  private func introduce(_ contexts: [Int], _ slots: Int, _ options: Server.Options) {
    let room = slots == 1 ? "1 slot" : "\(slots) slots"
    for (entry, context) in zip(sources, contexts) {
      Output.note("hoof: serving '\(entry.id)': \(description(of: entry.source)); \(room) of \(context) tokens".onOneLine)
      if let asked = arguments.int("context"), asked > context {
        Output.note("hoof: --context \(asked): '\(entry.id)' was made for \(context) tokens".onOneLine)
      }
    }
    if !options.isLoopback, options.key == nil {
      Output.note("hoof: everybody who can reach \(options.host) can use this server; --api-key asks for a key".onOneLine)
    }
  }

  private func description(of source: ModelSource) -> String {
    let sizes = source.sizes
    let cuts = source.history.compactMap { $0["method"]?.string }
    let story = cuts.isEmpty ? "" : "; " + cuts.joined(separator: ", ")
    return
      "\(source.config.layers.count) layers, \((Double(sizes.parameters) / 1e6).fixed(1)) M parameters, \(ByteCount(sizes.bytes))\(story)"
  }

  /// In bytes of text.
  private static func longestToken(of tokenizer: Tokenizer) -> Int {
    (0..<Int32(tokenizer.vocabularySize)).reduce(1) { max($0, tokenizer.decodeBytes($1).count) }
  }

  private func served(
    _ id: String, _ source: ModelSource, _ tokenizer: Tokenizer, _ engine: GenerationEngine, isBase: Bool
  ) -> ServedModel {
    let format = ChatFormat(source, tokenizer, named: arguments.string("chat-template").flatMap(ChatFormat.Name.init))
    // A model that cannot be talked to can still go on with texts.
    let chat = Result { try ChatPrompt(format, tokenizer, source.config) }
    let facts: JSON = [
      "parameters": .int(source.sizes.parameters), "bytes": .int(source.sizes.bytes), "layers": .int(source.config.layers.count),
      "context_length": .int(engine.contextLength), "base": .bool(isBase), "description": .string(description(of: source)),
    ]
    let system = arguments.string("system").map { ChatTemplate.Message(role: "system", content: $0) }
    return ServedModel(
      id: id, engine: engine,
      chat: { messages in
        let isTold = messages.contains { $0.role == "system" }
        return try chat.get().prompt(for: (isTold ? [] : [system].compactMap(\.self)) + messages)
      },
      encode: { tokenizer.bosTokens + tokenizer.encode($0, template: false) },
      ends: Set(source.config.eosTokens.map(Int32.init)), mostBytes: engine.contextLength * Self.longestToken(of: tokenizer), facts: facts)
  }
}

extension Server.Options {
  init(_ arguments: Arguments) {
    self.init()
    if let host = arguments.string("host") { self.host = host }
    if let port = arguments.int("port") { self.port = port }
    key = arguments.string("api-key")
    origin = arguments.string("cors")
    if let bytes = arguments.int("max-body") {
      limits.bodyBytes = bytes
      limits.allBodyBytes = max(limits.allBodyBytes, bytes)
    }
  }
}

/// A thread for an engine.
private final class EngineThread {
  private var thread = pthread_t()

  private final class Work {
    let run: @Sendable () -> Void
    init(_ run: @escaping @Sendable () -> Void) { self.run = run }
  }

  init(_ run: @escaping @Sendable () -> Void) {
    pthread_create(
      &thread, nil,
      { argument in
        Unmanaged<Work>.fromOpaque(argument!).takeRetainedValue().run()
        return nil
      }, Unmanaged.passRetained(Work(run)).toOpaque())
  }

  func join() { pthread_join(thread, nil) }
}
