import PMSystem

/// The prices that ship with the appliance. Rows of standing `unconfirmed` are readings by third
/// parties; their dates are those of the reading, not of the vendor's change.
enum ShippedPrices {
  /// The vendor's repository edgelesssys/privatemode-decisions-benchmark, file bench/pricing.py.
  private static let benchmark =
    "edgelesssys/privatemode-decisions-benchmark, bench/pricing.py, read 2026-09-24"
  private static let modelsDev = "models.dev, third-party reading, 2026-08-10"
  private static let hushscribe =
    "dhcgn/hushscribe, pricing section, third-party reading, September 2026, day unknown"
  private static let predecessor = "published price list of the predecessor"

  private static let start = WallTime(
    seconds: CivilTime.days(year: 2024, month: 1, day: 1) * 86_400)
  private static let august = WallTime(
    seconds: CivilTime.days(year: 2026, month: 8, day: 10) * 86_400)
  private static let september = WallTime(
    seconds: CivilTime.days(year: 2026, month: 9, day: 1) * 86_400)
  private static let lateSeptember = WallTime(
    seconds: CivilTime.days(year: 2026, month: 9, day: 24) * 86_400)

  /// The predecessor charged all tokens alike; three equal classes say the same.
  private static func predecessorChat(_ model: String) -> PriceRow {
    PriceRow(
      model: model, validFrom: start, input: 5_000_000, output: 5_000_000, cached: 5_000_000,
      standing: .predecessor, source: predecessor)
  }

  private static func chat(
    _ model: String, _ from: WallTime, _ input: Int64, _ output: Int64, _ cached: Int64,
    _ source: String
  ) -> PriceRow {
    PriceRow(
      model: model, validFrom: from, input: input, output: output, cached: cached,
      standing: .unconfirmed, source: source)
  }

  static let rows: [PriceRow] = [
    predecessorChat("gpt-oss-120b"),
    predecessorChat("gemma-3-27b"),
    predecessorChat("qwen3-coder-30b-a3b"),
    PriceRow(
      model: "qwen3-embedding-4b", validFrom: start, input: 130_000, standing: .predecessor,
      source: predecessor),
    PriceRow(
      model: "whisper-large-v3", validFrom: start, perMegabyte: 96_000, standing: .predecessor,
      source: predecessor),

    chat("gpt-oss-120b", august, 430_000, 1_700_000, 40_000, "\(benchmark); \(modelsDev)"),
    chat("glm-5.3", lateSeptember, 1_550_000, 7_740_000, 150_000, benchmark),
    chat("glm-5.3-flash", lateSeptember, 200_000, 650_000, 50_000, benchmark),
    chat("kimi-k2.6", lateSeptember, 1_550_000, 7_740_000, 150_000, benchmark),
    chat("deepseek-ocr-2", august, 770_000, 1_270_000, 80_000, modelsDev),
    PriceRow(
      model: "qwen3-embedding-4b", validFrom: lateSeptember, input: 130_000,
      standing: .unconfirmed, source: benchmark),
    PriceRow(
      model: "whisper-large-v3", validFrom: september, perMinute: 14_000, standing: .unconfirmed,
      source: hushscribe),
    PriceRow(
      model: "voxtral-mini-3b", validFrom: september, perMinute: 4_000, standing: .unconfirmed,
      source: hushscribe),
  ]

  /// Other names of a model, and since when they mean it. `gemma-latest` is missing: what it stands
  /// for is not known, and an unknown name is unpriced rather than guessed.
  static let aliases: [ModelAlias] = [
    ModelAlias("openai/gpt-oss-120b", of: "gpt-oss-120b", from: start),
    ModelAlias("gpt-oss-latest", of: "gpt-oss-120b", from: start),
    ModelAlias("kimi-latest", of: "kimi-k2.6", from: start),
    ModelAlias("leon-se/gemma-3-27b-it-fp8-dynamic", of: "gemma-3-27b", from: start),
    ModelAlias("openai/whisper-large-v3", of: "whisper-large-v3", from: start),
    ModelAlias("glm-latest", of: "glm-5.3", from: start),
    ModelAlias("glm-flash-latest", of: "glm-5.3-flash", from: start),
  ]
}

/// A second name of a model from a date on.
struct ModelAlias: Equatable, Sendable {
  let alias: String
  let model: String
  let validFrom: WallTime

  init(_ alias: String, of model: String, from validFrom: WallTime) {
    (self.alias, self.model, self.validFrom) = (alias, model, validFrom)
  }
}
