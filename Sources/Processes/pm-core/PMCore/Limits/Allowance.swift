import PMSystem
import PMWire

/// The limits of one holder, a key or all keys together, and what requests have taken of them.
struct Allowance {
  /// In force; a change acts on the next request.
  var limits: KeyLimits
  private(set) var requests: AdmissionWindow?
  private var requestSeconds = 0
  /// Nil until there is a limit; what is taken before is not counted.
  private(set) var tokens: TokenWindow?
  /// Requests that cost money and have not ended.
  private(set) var running = 0
  private(set) var day = Spending()
  private(set) var month = Spending()

  init(limits: KeyLimits = KeyLimits()) { self.limits = limits }

  // MARK: Requests

  /// Makes the window what limit and length say now.
  mutating func fitRequests(seconds: Int) {
    guard let limit = limits.requests else { return requests = nil }
    if requests == nil {
      requests = AdmissionWindow(limit: limit, seconds: seconds)
    } else if requests?.limit != limit || requestSeconds != seconds {
      requests?.change(limit: limit, seconds: seconds)
    }
    requestSeconds = seconds
  }

  /// What would refuse a request now; nil if nothing does.
  mutating func refusal(isMetered: Bool, at moment: Int64) -> LimitKind? {
    if isMetered, let limit = limits.concurrentRequests, running >= limit { return .concurrency }
    if requests?.hasPlace(at: moment) == false { return .requests }
    return nil
  }

  mutating func takeRequest(at moment: Int64) { requests?.take(at: moment) }

  mutating func begin() { running += 1 }
  mutating func end() { running -= 1 }

  // MARK: Tokens

  /// Makes the window what the limit says now, without what was taken too long ago.
  mutating func fitTokens(at moment: Int64) {
    if limits.tokensPerMinute != nil, tokens == nil {
      tokens = TokenWindow(limit: nil, at: moment)
    }
    tokens?.limit = limits.tokensPerMinute
    tokens?.advance(to: moment)
  }

  /// Nanoseconds until so many tokens are free; nil if they are. The window fits.
  func tokenWait(for tokens: Int64, at moment: Int64) -> Int64? {
    guard let window = self.tokens else { return nil }
    let amount = window.clamped(tokens)
    return window.hasRoom(for: amount)
      ? nil : window.nanosecondsUntilRoom(for: amount, at: moment)
  }

  /// Takes tokens, and tells how many the window counts; nil if nothing is counted.
  mutating func takeTokens(_ amount: Int64, at moment: Int64) -> Int64? {
    guard let counted = tokens?.clamped(amount) else { return nil }
    tokens?.take(counted, at: moment)
    return counted
  }

  /// Counts what was used before this start.
  mutating func restoreTokens(_ amount: Int64, at moment: Int64) {
    fitTokens(at: moment)
    tokens?.take(amount, at: moment)
  }

  mutating func settleTokens(
    _ reserved: Int64, takenAt moment: Int64, to actual: Int64, at now: Int64
  ) {
    tokens?.settle(reserved, takenAt: moment, to: actual, at: now)
  }

  /// Nil without a limit.
  mutating func tokenStanding(at moment: Int64) -> TokenStanding? {
    fitTokens(at: moment)
    guard let window = tokens, let limit = window.limit else { return nil }
    return TokenStanding(
      limit: limit, remaining: window.remaining,
      resetSeconds: Int((window.nanosecondsUntilEmpty(at: moment) + 999_999_999) / 1_000_000_000))
  }

  // MARK: Money

  var hasBudget: Bool { limits.dayBudget != nil || limits.monthBudget != nil }

  mutating func turn(to periods: BudgetPeriods) {
    day.turn(to: periods.day)
    month.turn(to: periods.month)
  }

  func budget(_ span: BudgetSpan) -> Int64? {
    switch span {
    case .day: limits.dayBudget
    case .month: limits.monthBudget
    }
  }

  private subscript(_ span: BudgetSpan) -> Spending {
    get { span == .day ? day : month }
    set { if span == .day { day = newValue } else { month = newValue } }
  }

  /// Nano-euro that the present period has used.
  func used(_ span: BudgetSpan) -> Int64 { self[span].used }

  /// Nano-euro that the budget leaves; nil without one.
  func left(_ span: BudgetSpan) -> Int64? { budget(span).map { self[span].left(of: $0) } }

  mutating func reserve(_ nanoEuro: Int64) {
    day.reserve(nanoEuro)
    month.reserve(nanoEuro)
  }

  mutating func settle(_ reserved: Int64, of periods: BudgetPeriods, to actual: Int64) {
    day.settle(reserved, of: periods.day, to: actual)
    month.settle(reserved, of: periods.month, to: actual)
  }

  /// Enters what the ledger knows of a day.
  mutating func restore(_ nanoEuro: Int64, of periods: BudgetPeriods) {
    day.restore(nanoEuro, of: periods.day)
    month.restore(nanoEuro, of: periods.month)
  }

  /// True once in a period, when the warning's share of its budget is spent.
  mutating func becomesNear(_ span: BudgetSpan) -> Bool {
    guard let limit = budget(span) else { return false }
    return self[span].becomesNear(
      limits.warningPercent ?? KeyLimits.warningPercentDefault, of: limit)
  }

  /// True once in a period, when its budget has refused a request.
  mutating func becomesSpent(_ span: BudgetSpan) -> Bool {
    self[span].becomesSpent()
  }
}
