import PMSystem

/// Money of one kind of period, a day or a month: what was spent, and what open reservations may
/// yet cost. What a request costs belongs to the period of its id, here as in the ledger. Two
/// periods are known, so that a clock that is set back finds the one it left.
struct Spending {
  struct Period {
    var number: Int32
    // Far beyond 64 bits of nano-euro, so that no sum can fail.
    var spent: Int128 = 0
    var open: Int128 = 0
    /// The alarm at the warning's share, and the one at the end, were raised.
    var isNear = false
    var isSpent = false
  }

  private(set) var present = Period(number: .min)
  private var other = Period(number: .min)

  /// Goes to the period of the present time.
  mutating func turn(to number: Int32) {
    if number == present.number { return }
    swap(&present, &other)
    if number == present.number { return }
    // An earlier one that is not known any more: nothing is given back.
    let isBack = number < other.number
    present = Period(number: number, spent: isBack ? other.spent + other.open : 0)
  }

  /// What the present period has used; open reservations count as spent.
  var used: Int64 { Int64(clamping: present.spent + present.open) }

  /// What a limit leaves.
  func left(of limit: Int64) -> Int64 { max(0, limit - used) }

  /// Reserves in the present period.
  mutating func reserve(_ nanoEuro: Int64) { present.open += Int128(nanoEuro) }

  /// Puts the truth in place of a reservation of the period `number`.
  mutating func settle(_ reserved: Int64, of number: Int32, to actual: Int64) {
    change(number) { period in
      period.open -= Int128(reserved)
      period.spent += Int128(actual)
    }
  }

  /// Enters what the ledger knows of a period; nothing if it is none of the two.
  mutating func restore(_ nanoEuro: Int64, of number: Int32) {
    change(number) { $0.spent += Int128(nanoEuro) }
  }

  private mutating func change(_ number: Int32, _ body: (inout Period) -> Void) {
    if present.number == number {
      body(&present)
    } else if other.number == number {
      body(&other)
    }
  }

  /// True once in a period: when `percent` of the limit is spent.
  mutating func becomesNear(_ percent: Int, of limit: Int64) -> Bool {
    guard !present.isNear, present.spent * 100 >= Int128(limit) * Int128(percent) else {
      return false
    }
    present.isNear = true
    return true
  }

  /// True once in a period: when a request was refused.
  mutating func becomesSpent() -> Bool {
    defer { present.isSpent = true }
    return !present.isSpent
  }
}

/// Budgets are of UTC days and months.
enum BudgetSpan: CaseIterable, Sendable { case day, month }

/// The UTC day and month of a time.
struct BudgetPeriods: Equatable {
  /// Days since 1970.
  let day: Int32
  /// Months since January of year 0.
  let month: Int32

  init(_ time: WallTime) {
    let civil = time.civil
    day = Int32(clamping: time.day)
    month = Int32(clamping: civil.year * 12 + Int64(civil.month) - 1)
  }
}
