import PMSystem
import PMWire
import Seeded
import Testing

@testable import PMCore

/// A natural number of 256 bits: no sum of the tests reaches that.
private struct Natural: Comparable {
  private var words: (UInt64, UInt64, UInt64, UInt64)

  init(_ word: Int64) { words = (UInt64(word), 0, 0, 0) }

  static func * (a: Natural, factor: Int64) -> Natural {
    let factor = UInt64(factor)
    let (first, second) = (
      a.words.0.multipliedFullWidth(by: factor), a.words.1.multipliedFullWidth(by: factor)
    )
    let (third, fourth) = (
      a.words.2.multipliedFullWidth(by: factor), a.words.3.multipliedReportingOverflow(by: factor)
    )
    precondition(!fourth.overflow)
    var low = a
    var high = a
    low.words = (first.low, second.low, third.low, fourth.partialValue)
    high.words = (0, first.high, second.high, third.high)
    return low + high
  }

  static func + (a: Natural, b: Natural) -> Natural {
    var sum = a
    var carry: UInt64 = 0
    func add(_ x: UInt64, _ y: UInt64) -> UInt64 {
      let (first, one) = x.addingReportingOverflow(y)
      let (second, two) = first.addingReportingOverflow(carry)
      carry = (one ? 1 : 0) + (two ? 1 : 0)
      return second
    }
    sum.words.0 = add(a.words.0, b.words.0)
    sum.words.1 = add(a.words.1, b.words.1)
    sum.words.2 = add(a.words.2, b.words.2)
    sum.words.3 = add(a.words.3, b.words.3)
    precondition(carry == 0)
    return sum
  }

  static func < (a: Natural, b: Natural) -> Bool {
    (a.words.3, a.words.2, a.words.1, a.words.0) < (b.words.3, b.words.2, b.words.1, b.words.0)
  }

  static func == (a: Natural, b: Natural) -> Bool { a.words == b.words }
}

/// Costs against rational arithmetic that does not share a line with them: a charge `c` is right if
/// `c` nano-euro are the sum or more, and `c - 1` are less.
struct CostTests {
  private struct Case {
    var row = PriceRow(
      model: "m", validFrom: WallTime(seconds: 0), standing: .operator, source: "")
    var usage = Usage()

    /// What it costs in nano-euro, as a fraction.
    var truth: (numerator: Natural, denominator: Int64) {
      func product(_ count: Int64, _ price: Int64?) -> Natural { Natural(count) * (price ?? 0) }
      // Thousandths of a nano-euro.
      let tokens =
        product(usage.fresh, row.input) + product(usage.cached, row.cached ?? row.input)
        + product(usage.output, row.output)
      if let perMinute = row.perMinute {
        // Milliseconds x micro-euro a minute are sixtieths of a nano-euro.
        return (tokens * 60 + product(usage.audioMilliseconds, perMinute) * 1000, 60_000)
      }
      if let perMegabyte = row.perMegabyte {
        // Bytes x micro-euro for 1 048 576 of them, each a thousand nano-euro.
        let bytes = product(usage.bytes, perMegabyte) * 1000
        return (tokens * 1_048_576 + bytes * 1000, 1_048_576_000)
      }
      return (tokens, 1000)
    }

    /// The charge that the row makes of the usage, held against the truth.
    var isRight: Bool {
      let (numerator, denominator) = truth
      switch row.cost(of: usage) {
      case .nanoEuro(let charge):
        guard charge >= 0, !(Natural(charge) * denominator < numerator) else { return false }
        return charge == 0 || Natural(charge - 1) * denominator < numerator
      case .tooLarge: return Natural(.max) * denominator < numerator
      case .unpriced: return false
      }
    }
  }

  /// Of any length in bits, and now and then a limit.
  private static func number(_ max: Int64, _ random: inout SeededRandom) -> Int64 {
    let word = random.next()
    if word & 31 == 0 { return max }
    return min(max, Int64(random.next() >> (1 + word >> 58)))
  }

  private static func makeCase(_ random: inout SeededRandom) -> Case {
    var made = Case()
    let priceMax: Int64 = 1_000_000_000_000
    made.row.input = number(priceMax, &random)
    made.row.output = number(priceMax, &random)
    let word = random.next()
    if word & 1 == 0 { made.row.cached = number(priceMax, &random) }
    made.usage.fresh = number(.max, &random)
    made.usage.cached = number(.max, &random)
    made.usage.output = number(.max, &random)
    switch word >> 1 & 3 {
    case 0: made.row.perMinute = number(priceMax, &random)
    case 1: made.row.perMegabyte = number(priceMax, &random)
    default: return made
    }
    made.usage.audioMilliseconds = number(.max, &random)
    made.usage.bytes = number(.max, &random)
    return made
  }

  @Test("Any usage at any price, rounded up once", arguments: 0..<8 as Range<UInt64>)
  func anything(_ seed: UInt64) {
    var random = SeededRandom(seed: seed)
    for _ in 0..<60_000 {
      let made = Self.makeCase(&random)
      if !made.isRight {
        Issue.record("\(made.usage) at \(made.row)")
        return
      }
    }
  }

  /// Usual requests at usual prices, where a charge is wrong by a nano-euro before it is by more.
  @Test func everyRemainder() {
    var made = Case()
    (made.row.input, made.row.output, made.row.cached) = (430_001, 1_700_003, 40_009)
    for tokens in 0..<3000 as Range<Int64> {
      (made.usage.fresh, made.usage.cached, made.usage.output) = (tokens, tokens * 7, tokens / 3)
      #expect(made.isRight)
    }
    (made.row.input, made.row.output, made.row.cached) = (nil, nil, nil)
    (made.usage.fresh, made.usage.cached, made.usage.output) = (0, 0, 0)
    for price in [1, 59, 60, 61, 14_000] as [Int64] {
      (made.row.perMinute, made.row.perMegabyte) = (price, nil)
      for milliseconds in 0..<300 as Range<Int64> {
        made.usage.audioMilliseconds = milliseconds
        #expect(made.isRight)
      }
      (made.row.perMinute, made.row.perMegabyte) = (nil, price)
      for bytes in 0..<300 as Range<Int64> {
        made.usage.bytes = bytes * 3495
        #expect(made.isRight)
      }
    }
  }

  /// The last sums that fit into 64 bits, and the first that do not.
  @Test func edges() {
    func cost(_ fresh: Int64, _ input: Int64, _ output: Int64 = 0) -> Cost {
      var made = Case()
      (made.row.input, made.row.output) = (input, 1)
      (made.usage.fresh, made.usage.output) = (fresh, output)
      #expect(made.isRight)
      return made.row.cost(of: made.usage)
    }
    #expect(cost(.max, 1000) == .nanoEuro(.max))
    #expect(cost(.max, 999, .max) == .nanoEuro(.max))
    #expect(cost(.max, 1000, 1) == .tooLarge)
    #expect(cost(.max, 1001) == .tooLarge)
    #expect(cost(.max, .max) == .tooLarge)
    #expect(cost(.max, .max, .max) == .tooLarge)
    #expect(cost(0, .max) == .nanoEuro(0))
  }
}
