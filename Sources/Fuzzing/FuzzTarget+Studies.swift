import Formats
import Glibc
import JSON
import Surgery

extension FuzzTarget {
  /// What studies and cuts leave for later: reports, journals, plans.
  static func studies(in folder: String) throws -> [FuzzTarget] {
    let (first, second) = (part(1, layers: [0, 2]), part(2, layers: [1]))
    let other = try JSON(parsing: second)
    let journal = folder + "/fuzz.journal"
    let config = LlamaConfig(
      hiddenSize: 8, headDim: 4, vocabularySize: 16, contextLength: 32, tiedEmbeddings: true, bosToken: 1, eosTokens: [2],
      layers: [.init(queryHeads: 2, keyHeads: 1, intermediateSize: 8)])
    let plan = StudyPlan(lengths: [3, 4], config: config, budget: 1 << 20)
    return [
      FuzzTarget(name: "report-merge", seeds: [Array(first.utf8)]) { bytes in
        let merged = try AblationReport(merging: [("a", JSON(parsing: bytes)), ("b", other)])
        _ = AblationReportPage.html(merged.json)
      },
      FuzzTarget(name: "journal", seeds: [Array(journalText.utf8)]) { bytes in
        try write(bytes, to: journal)
        let read = try StudyJournal(path: journal, identity: "fuzz", plan: plan, resuming: true)
        precondition(read.plan.groups.last?.upperBound == 2, "a plan of other prompts")
      },
      FuzzTarget(name: "plan", seeds: [Array(planText.utf8)]) { bytes in
        var twoLayers = config
        twoLayers.layers += config.layers
        let read = try PrunePlan(JSON(parsing: bytes), for: twoLayers, path: "fuzz.plan.json")
        let cut = read.cuts.cut(of: twoLayers, method: read.method)
        precondition(cut.keepLayers.allSatisfy(twoLayers.layers.indices.contains), "a plan of another model")
      },
    ]
  }

  private static func write(_ bytes: [UInt8], to path: String) throws {
    let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
    defer { close(descriptor) }
    guard descriptor >= 0, bytes.withUnsafeBytes({ Glibc.write(descriptor, $0.baseAddress, $0.count) }) == bytes.count else {
      throw FormatError(path, nil, "cannot be written")
    }
  }

  private static func part(_ number: Int, layers: [Int]) -> String {
    let entries = layers.map {
      """
      {"layer":\($0),"kl":0.\($0 + 1),"kl_stderr":0.01,"perplexity":9.5,"top1_agreement":0.75,"kl_per_prompt":0.1,"kl_last_token":0.2,
      "kl_max":2.5,"block_influence":0.\($0 + 2),"angular_distance":0.1,"weight_magnitude":0.05,"attention_norm":3.5}
      """
    }
    let heads = layers.map { #"{"layer":\#($0),"head":0,"kl":0.01,"kl_stderr":0.001,"perplexity":8.5,"top1_agreement":0.9}"# }
    return """
      {"format":"hoof-ablation","version":1,
      "model":{"path":"m","fingerprint":"f","layers":3,"heads":1,"kv_heads":1,"hidden_size":8,"vocab_size":16,"intermediate_sizes":[4,4,4]},
      "calibration":{"path":"c","sha256":"s","prompts":2,"tokens":7,"max_tokens":64},"ablation":"zero","backend":"cpu","seconds":1.5,
      "baseline":{"cross_entropy":2.0,"perplexity":7.4},"shard":{"index":\(number),"count":2,"study":"x"},
      "layers":[\(entries.joined(separator: ","))],"heads":[\(heads.joined(separator: ","))],
      "neurons":[{"layer":0,"mean_abs":[0.1,0.2,0.3,0.01],"firing_rate":[0.4,0.5,0.6,0]}],
      "blocks":[{"start":0,"length":1,"angular_distance":0.1,"angular_distance_all_tokens":0.2}],
      "suggested_drop":[1],"drop_steps":[{"layer":1,"kl":0.2,"perplexity":9.5}]}
      """
  }

  private static let planText = """
    {"format":"hoof-plan","version":1,"source":{"path":"m","fingerprint":"f","origin":"o","layers":2,"parameters":100,"bytes":200},
    "calibration":{"path":"c","sha256":"s","prompts":2,"tokens":7,"max_tokens":64},"method":"greedy","matrix_type":"q8_0",
    "cuts":{"layers":[1],"attention":[0],"mlp":[],"heads":{"0":[0,1]},"neurons":{"0":[0,3,7]},"channels":[2,3],
    "patches":[{"layer":1,"kind":"linear","scales":[1,1,1.5,1,0.5,1,1,1]}],"width":4},
    "measured":{"kl":0.5,"perplexity":7.5,"cuts":"x"},"stop":"--drop 1 is met"}
    """

  private static let journalText = """
    {"format":"hoof-ablation-journal","version":1,"identity":"fuzz","groups":[[0,1],[1,2]],"rows_per_batch":512,"keeps_logits":true,"rows_per_chunk":64}
    {"group":0,"layer":0,"outcomes":[[[3,0.5,0.25,0.3,6.5,2]],[[3,0.75,0.25,0.3,6.5,1]]]}
    {"group":1,"layer":0,"outcomes":[[[4,0.5,0.25,0.3,6.5,4]],[[4,0.75,0.25,0.3,6.5,0]]]}

    """
}
