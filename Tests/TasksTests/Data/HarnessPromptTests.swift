import Formats
import JSON
import Tasks
import TestSupport
import Testing

/// Every context, continuation, choice and right answer that a task makes of published layouts, against lm-evaluation-harness 0.4.13: its own
/// task files over the same rows (`dataset_path: json`), requests of `build_all_requests` after `set_fewshot_seed(1234)`.
@Suite(.enabled(if: SharedData.isHere, Comment(rawValue: SharedData.absent)))
struct HarnessPromptTests {
  /// SHA-256 of what `digest` puts together, with 0 examples, 2, and as many as the task has by itself.
  private static let digests = [
    "hellaswag": [
      "b7b83541a3c041954914812f6acc7f58f47c1a5ec3bdb2f869d9814318085114",
      "40e1d5e3d732489be1f1d0ea41cab724704aff8c3c05f852840b4bca6c319296",
      "b7b83541a3c041954914812f6acc7f58f47c1a5ec3bdb2f869d9814318085114",
    ],
    "arc_easy": [
      "9f723e67f2c5e32496bcc4d60f857fdf4a592768f355378c6bcbf366785e3aa5",
      "eb3e8713d39fd2ab4cf1ad3798dd86948e024ea84544feba68aa5a48fc8a87fe",
      "9f723e67f2c5e32496bcc4d60f857fdf4a592768f355378c6bcbf366785e3aa5",
    ],
    "arc_challenge": [
      "22530a42812c68d8dd715caaf41966cd7664f0a2a9471a161fdc4ee7b53bcb99",
      "83101344d1d33270af5b26cd88f7fc8835cda926cd28077b0d5166173d4754aa",
      "22530a42812c68d8dd715caaf41966cd7664f0a2a9471a161fdc4ee7b53bcb99",
    ],
    "boolq": [
      "51a9b4bc374b3d72ebad3851f432c631374a429b102f2c560b99cbe478c8cc69",
      "a9097732a295cfd116fba042643ac9843ecf7c1a2f0d1b9528768c7ec8c5eb6b",
      "51a9b4bc374b3d72ebad3851f432c631374a429b102f2c560b99cbe478c8cc69",
    ],
    "lambada_openai": [
      "ca8cbaac768f887175ce14f3519c87db8d799ae00abb3b845359e4362822b3bf",
      "8d48d4c8e0bb81aa3543c7993e6fd14b4386f9296549121d06d0d14edd4077b3",
      "ca8cbaac768f887175ce14f3519c87db8d799ae00abb3b845359e4362822b3bf",
    ],
    "lambada_standard": [
      "ca8cbaac768f887175ce14f3519c87db8d799ae00abb3b845359e4362822b3bf",
      "32b27fdb7f4c4e1bb8af5a0dca223180bb7cf27f19c27f21f01e27ae0e14b77d",
      "ca8cbaac768f887175ce14f3519c87db8d799ae00abb3b845359e4362822b3bf",
    ],
    "winogrande": [
      "2637ec3d6e226fc36a35d2b492c8bffd0706da326cdc7f89365c3edacb21c68a",
      "cd6d32237969cb39570be387ce4b99e145effc3bec1a7b7ea0f4115ee3541447",
      "2637ec3d6e226fc36a35d2b492c8bffd0706da326cdc7f89365c3edacb21c68a",
    ],
    "piqa": [
      "1ddb876381d4d586dd823381f9043be9d9975582885285719cd663ab6d874b13",
      "3a5a508e05a001218eef48dbd58057f5d22619acb85b9edd060bc7f0e2c3ffca",
      "1ddb876381d4d586dd823381f9043be9d9975582885285719cd663ab6d874b13",
    ],
    "openbookqa": [
      "17347790d23f8d5dd43e3c77636188dc19a849ad5299b921f7bd62bbbc313e3e",
      "913cb8ff5058ec519890f79049aeb8d312e6d900db0538622f431c05cbda606e",
      "17347790d23f8d5dd43e3c77636188dc19a849ad5299b921f7bd62bbbc313e3e",
    ],
    "copa": [
      "51e02fe9443ed7f3d6fbaf8e774db6f862bca69d1ad75516a611480ed5872d6b",
      "81cc8c62b7b73191be520d29d33a87607ff2a70e89c8b0bc1c1027497b947fe0",
      "51e02fe9443ed7f3d6fbaf8e774db6f862bca69d1ad75516a611480ed5872d6b",
    ],
    "truthfulqa_mc1": [
      "9c89094d81d1500598a79e3c009b8abd8ebc5fa458edc8595836e391751c32d1",
      "6dd948d8e2ddec417afe49b8d89ec4c0f292c5a98a7de85237b75a3f51fe921b",
      "9c89094d81d1500598a79e3c009b8abd8ebc5fa458edc8595836e391751c32d1",
    ],
    "truthfulqa_mc2": [
      "d5ee1b8d152bae6e60244e905cd486ae050c594366b67a34c77e404812c3df02",
      "828284408086adb39e1542fa76b048d78a24fba2a45f8d99fd1b21413915764a",
      "d5ee1b8d152bae6e60244e905cd486ae050c594366b67a34c77e404812c3df02",
    ],
    "gsm8k": [
      "d21f483de26f75e93b002c0ff3d70a7e1320efdf5187a61a4de69a26a9241744",
      "7479112ccfb8c5a46a68940414a5628b947d71c230e7477896b8c8ddee1ecc00",
      "5e18b1941a7e70b24ef6282710dc0e73e7e258a58500dc44558df98f7193a12e",
    ],
    "gsm8k_cot": [
      "34174cd8d4f36b7a2f3ecd8c302da02e9cba248e4c75d358ce19769ab0c9cb18",
      "7fd093c84adcb4e4b4075329004079b4a5eb438dcef54d3917433ab0b0131cc9",
      "d3134323fa8bfc414f1f88a1dce9db040c5b9108b3b15f3799e33c6500d1b6ed",
    ],
    "commonsense_qa": [
      "5f2a6ef5b468644b2dd65c38c466f5d48538a5f1d9334c8e6ce202a9447cdbf8",
      "72c2d748af76fb387425a805f60f0679e6162d8188433c31c60fd6523eb0c10a",
      "5f2a6ef5b468644b2dd65c38c466f5d48538a5f1d9334c8e6ce202a9447cdbf8",
    ],
    "wikitext": [
      "516f5693704e5812c0ad4db16f8aafa99199e964b859309f112bc6470f4a2fb8",
      "516f5693704e5812c0ad4db16f8aafa99199e964b859309f112bc6470f4a2fb8",
      "516f5693704e5812c0ad4db16f8aafa99199e964b859309f112bc6470f4a2fb8",
    ],
    "mmlu_anatomy": [
      "1729f8a3689b118e766d600561470ac29bcd82a1215e46ec35b5ba1477074a2a",
      "74008683dd54b0cae040fedfa5b1624f018b717425c91a136a7716c15886c6d2",
      "1729f8a3689b118e766d600561470ac29bcd82a1215e46ec35b5ba1477074a2a",
    ],
    "mmlu_astronomy": [
      "bd1f7b9bf27606f63d3fb5e632ee5378e017bc4b6265db313207473b55d616ed",
      "618ad51fcec87161f07c24f4a6cb87bc925eef88bdbe6d380629458431c8286d",
      "bd1f7b9bf27606f63d3fb5e632ee5378e017bc4b6265db313207473b55d616ed",
    ],
  ]

  @Test("prompts are the harness's, byte for byte", arguments: StockRows.tasks)
  func stock(_ task: String) throws {
    let folder = try TemporaryFolder()
    // Two tasks ask one data set.
    try StockRows.write(task, StockRows.splits(task), into: folder, at: task == "gsm8k_cot" ? "gsm8k" : nil)
    try check(task, in: folder)
  }

  @Test("the files that benchmarks were first published in make the same prompts", arguments: OriginalRows.tasks)
  func original(_ task: String) throws {
    let folder = try TemporaryFolder()
    try OriginalRows.write(task, into: folder)
    try check(task, in: folder)
  }

  @Test("PIQA's archive with its own names makes the same prompts")
  func archive() throws {
    let folder = try TemporaryFolder()
    try OriginalRows.writePIQA("physicaliqa-train-dev", validation: "dev", into: folder)
    try check("piqa", in: folder)
  }

  private func check(_ task: String, in folder: TemporaryFolder) throws {
    let data = try TaskCatalogue().select([task], in: folder.path).tasks[0]
    for (shots, expected) in zip([0, 2, data.definition.shots ?? 0], HarnessPromptTests.digests[task]!) {
      #expect(try HarnessPromptTests.digest(data, shots: shots) == expected, "\(task) with \(shots) examples")
    }
  }

  /// context NUL continuation SOH for each pair; with several choices behind them gold NUL choices STX.
  static func digest(_ data: TaskData, shots: Int) throws -> String {
    var hash = SHA256()
    var sampler = FewShotSampler(data, count: shots)
    for index in 0..<data.count {
      let question = try data.question(index, examples: try sampler.next(for: index))
      switch data.definition.output {
      case .rolling: hash.update("\0" + question.reference + "\u{1}")
      case .generate: hash.update(question.contexts[0] + "\0" + question.reference + "\u{1}")
      default:
        for (i, continuation) in question.continuations.enumerated() {
          hash.update(question.contexts[question.contexts.count == 1 ? 0 : i] + "\0" + continuation + "\u{1}")
        }
      }
      if data.definition.output == .multipleChoice {
        hash.update("\(question.gold[0])\0" + question.choices.joined(separator: "\0") + "\u{2}")
      }
    }
    return hash.hexDigest()
  }
}
