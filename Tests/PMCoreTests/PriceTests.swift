import PMCrypto
import PMSystem
import PMWire
import Testing

@testable import PMCore

private func time(_ text: String) throws -> WallTime { try #require(WallTime(rfc3339: text)) }

private func usage(
  fresh: Int64 = 0, cached: Int64 = 0, output: Int64 = 0, audioMilliseconds: Int64 = 0,
  bytes: Int64 = 0
) -> Usage {
  var usage = Usage()
  (usage.fresh, usage.cached, usage.output) = (fresh, cached, output)
  (usage.audioMilliseconds, usage.bytes) = (audioMilliseconds, bytes)
  return usage
}

private func shippedTable() -> (models: ModelTable, prices: PriceTable) {
  let models = ModelTable()
  var rows = ShippedPrices.rows
  for index in rows.indices { rows[index].row = Int32(index + 1) }
  return (models, PriceTable(models: models, rows: rows, aliases: ShippedPrices.aliases))
}

struct PriceTests {
  @Test("The checks of the price list, by old and new rows")
  func vectors() throws {
    let (_, prices) = shippedTable()
    let old = try time("2026-01-01")
    let new = try time("2026-11-22")
    let chat = usage(fresh: 10_000, output: 1000)
    #expect(prices.row(model: "gpt-oss-120b", at: old)?.cost(of: chat) == .nanoEuro(55_000_000))
    #expect(prices.row(model: "gpt-oss-120b", at: new)?.cost(of: chat) == .nanoEuro(6_000_000))
    let hour = usage(audioMilliseconds: 3_600_000, bytes: 43_200_000)
    let whisper = "whisper-large-v3"
    #expect(prices.row(model: whisper, at: new)?.cost(of: hour) == .nanoEuro(840_000_000))
    #expect(prices.row(model: whisper, at: old)?.cost(of: hour) == .nanoEuro(3_955_078_125))
    #expect(
      prices.row(model: whisper, at: old)?.cost(of: usage(bytes: 1_048_576))
        == .nanoEuro(96_000_000))
    let embedding = prices.row(model: "qwen3-embedding-4b", at: old)
    #expect(embedding?.cost(of: usage(fresh: 1_000_000)) == .nanoEuro(130_000_000))
    #expect(embedding?.cost(of: usage()) == .nanoEuro(0))
  }

  @Test("The predecessor's price counted all tokens alike")
  func predecessor() throws {
    let (_, prices) = shippedTable()
    let row = try #require(prices.row(model: "gemma-3-27b", at: try time("2025-01-01")))
    #expect(row.cost(of: usage(fresh: 300, cached: 200, output: 500)) == .nanoEuro(5_000_000))
  }

  @Test("One sum, rounded up once")
  func rounding() throws {
    let row = PriceRow(
      model: "m", validFrom: .init(seconds: 0), input: 1, output: 1, cached: 1,
      standing: .operator, source: "")
    // One pico-euro is a thousandth of a nano-euro.
    #expect(row.cost(of: usage(fresh: 1)) == .nanoEuro(1))
    #expect(row.cost(of: usage(fresh: 1, cached: 1, output: 1)) == .nanoEuro(1))
    #expect(row.cost(of: usage(fresh: 999, output: 1)) == .nanoEuro(1))
    #expect(row.cost(of: usage(fresh: 1000, output: 1)) == .nanoEuro(2))
    var audio = row
    audio.perMinute = 1
    #expect(audio.cost(of: usage(audioMilliseconds: 60)) == .nanoEuro(1))
    #expect(audio.cost(of: usage(audioMilliseconds: 61)) == .nanoEuro(2))
    // 1/1000 + 1/60 of a nano-euro are one sum.
    #expect(audio.cost(of: usage(fresh: 983, audioMilliseconds: 1)) == .nanoEuro(1))
    #expect(audio.cost(of: usage(fresh: 984, audioMilliseconds: 1)) == .nanoEuro(2))
  }

  @Test("Exact against long division, over random prices and counts")
  func random() throws {
    var random = SeededRandom(seed: 4)
    for _ in 0..<2000 {
      let row = PriceRow(
        model: "m", validFrom: .init(seconds: 0),
        input: .random(in: 0...10_000_000, using: &random),
        output: .random(in: 0...10_000_000, using: &random),
        cached: .random(in: 0...10_000_000, using: &random),
        perMegabyte: .random(in: 0...1_000_000, using: &random), standing: .operator, source: "")
      let used = usage(
        fresh: .random(in: 0...2_000_000, using: &random),
        cached: .random(in: 0...2_000_000, using: &random),
        output: .random(in: 0...2_000_000, using: &random),
        bytes: .random(in: 1...50_000_000, using: &random))
      // Everything in 1/(1000 · 1 048 576) nano-euro.
      let tokens =
        Int128(used.fresh) * Int128(row.input ?? 0) + Int128(used.cached) * Int128(row.cached ?? 0)
        + Int128(used.output) * Int128(row.output ?? 0)
      let parts =
        tokens * 1_048_576 + Int128(used.bytes) * Int128(row.perMegabyte ?? 0) * 1000 * 1000
      let unit: Int128 = 1000 * 1_048_576
      let expected = Int64((parts + unit - 1) / unit)
      #expect(row.cost(of: used) == .nanoEuro(expected))
    }
  }

  @Test("What does not fit is refused, not wrapped")
  func overflow() {
    let row = PriceRow(
      model: "m", validFrom: .init(seconds: 0), input: .max, output: .max, perMinute: .max,
      standing: .operator, source: "")
    #expect(row.cost(of: usage(fresh: .max)) == .tooLarge)
    #expect(row.cost(of: usage(fresh: .max, output: .max, audioMilliseconds: .max)) == .tooLarge)
    #expect(usage(fresh: .max, output: 1).tokens == nil)
  }

  @Test("A class without a price makes the whole unpriced; a class that did not occur does not")
  func unpriced() {
    let row = PriceRow(
      model: "m", validFrom: .init(seconds: 0), input: 10, standing: .operator, source: "")
    #expect(row.cost(of: usage(fresh: 100)) == .nanoEuro(1))
    #expect(row.cost(of: usage(fresh: 100, output: 1)) == .unpriced)
    #expect(row.cost(of: usage(audioMilliseconds: 1)) == .unpriced)
    // Without a price of their own, cached tokens cost what fresh ones do.
    #expect(row.cost(of: usage(cached: 100)) == .nanoEuro(1))
  }

  @Test("More cached than prompt tokens: all count as fresh, and it is noted")
  func cachedAbovePrompt() {
    let odd = Usage(prompt: 5, cached: 6, output: 1, source: .upstream)
    #expect(odd.fresh == 5 && odd.cached == 0 && odd.flags == .cachedAbovePrompt)
    let sound = Usage(prompt: 5, cached: 2, output: 1, source: .upstream)
    #expect(sound.fresh == 3 && sound.cached == 2 && sound.flags == [])
  }
}

struct PriceTableTests {
  @Test("Aliases are priced like the model; what nobody listed is unpriced")
  func aliases() throws {
    let (models, prices) = shippedTable()
    let now = try time("2026-11-22")
    for alias in ShippedPrices.aliases {
      #expect(prices.row(model: alias.alias, at: now) == prices.row(model: alias.model, at: now))
      let index = try #require(models.index(of: alias.alias))
      #expect(models.name(prices.model(index, at: now)) == alias.model)
    }
    #expect(prices.row(model: "gemma-4-31b", at: now) == nil)
    #expect(prices.row(.unlisted, at: now) == nil)
    #expect(prices.row(model: "gpt-oss-120b", at: try time("2023-12-31")) == nil)
  }

  @Test("The newest valid row wins; an operator's row wins over all, for as long as it is valid")
  func order() throws {
    let (_, prices) = shippedTable()
    let now = try time("2026-11-22")
    #expect(prices.row(model: "gpt-oss-120b", at: now)?.standing == .unconfirmed)
    prices.add(
      PriceRow(
        row: 90, model: "gpt-oss-120b", validFrom: try time("2025-01-01"),
        validTo: try time("2027-01-01"), input: 1, output: 1, standing: .operator, source: ""))
    #expect(prices.row(model: "gpt-oss-120b", at: now)?.row == 90)
    #expect(prices.row(model: "gpt-oss-latest", at: now)?.row == 90)
    #expect(prices.row(model: "gpt-oss-120b", at: try time("2027-01-01"))?.standing == .unconfirmed)
    #expect(prices.row(model: "gpt-oss-120b", at: try time("2024-06-01"))?.standing == .predecessor)
    // Entered later with the same date, it corrects the one before.
    prices.add(
      PriceRow(
        row: 91, model: "gpt-oss-120b", validFrom: try time("2025-01-01"), input: 2, output: 2,
        standing: .operator, source: ""))
    #expect(prices.row(model: "gpt-oss-120b", at: now)?.row == 91)
  }

  @Test("The digest depends on the prices, not on the order or number of rows")
  func digest() throws {
    let (_, prices) = shippedTable()
    let digest = try prices.digest()
    #expect(try PriceTable.digest(of: prices.rows.reversed()) == digest)
    var changed = prices.rows
    changed[0].input = 5_000_001
    #expect(try PriceTable.digest(of: changed) != digest)
  }

  @Test("Names that are no names, or too many, share no row")
  func names() {
    let models = ModelTable()
    #expect(models.enter("") == .unlisted)
    #expect(models.enter("a b") == .unlisted)
    #expect(models.enter("unlisted") == .unlisted)
    #expect(models.enter(String(repeating: "x", count: 129)) == .unlisted)
    let first = models.enter("a/b-1.5:c@d_e")
    #expect(first.row == 1 && models.enter("a/b-1.5:c@d_e") == first)
    #expect(models.index(of: "never-entered") == nil)
    for number in 0..<2000 { _ = models.enter("model-\(number)") }
    #expect(models.count == ModelTable.modelsMax)
    #expect(models.enter("one-more") == .unlisted)
    let prices = PriceTable(models: models, rows: [], aliases: [])
    prices.add(
      PriceRow(
        model: "one-more", validFrom: .init(seconds: 0), input: 1, standing: .operator, source: ""))
    #expect(prices.row(.unlisted, at: .init(seconds: 1)) == nil)
  }
}

/// A small generator with a seed, so that a failure can be repeated (SplitMix64).
struct SeededRandom: RandomNumberGenerator {
  private var state: UInt64
  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var word = state
    word = (word ^ (word >> 30)) &* 0xBF58_476D_1CE4_E5B9
    word = (word ^ (word >> 27)) &* 0x94D0_49BB_1331_11EB
    return word ^ (word >> 31)
  }
}
