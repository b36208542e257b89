import PMSystem
import PMWire

/// Admits requests by the limits of their key and by those of all keys together: a request takes
/// its part of both, or of neither. It lives on the loop, so look and take are one step; time comes
/// in as a value.
///
///     head: requests, concurrency ─▶ end of body: budgets, tokens ─▶ VendorShare ─▶ … ─▶ settle
final class AdmissionDesk {
  /// The window over which requests are counted, those of each key too.
  private(set) var windowSeconds: Int
  private(set) var global: Allowance
  /// What all keys share of the vendor's limits.
  var share: VendorShare<Call>
  private var periods = BudgetPeriods(WallTime(microseconds: 0))
  /// Whether models without a price are refused to every key.
  private var refusesUnpriced = false
  /// Told once for each budget and period since the start.
  var onAlarm: (AlarmKind, AlarmSubject) -> Void = { _, _ in }

  init(_ settings: CoreControl.LimitSettings) {
    global = Allowance()
    windowSeconds = settings.global.seconds
    share = VendorShare(limits: VendorAmounts(settings.vendor))
    change(to: settings)
  }

  /// Puts other settings in force; what was admitted stays counted.
  func change(to settings: CoreControl.LimitSettings) {
    global.limits = settings.allKeys
    windowSeconds = settings.global.seconds
    global.fitRequests(seconds: windowSeconds)
    share.limits = VendorAmounts(settings.vendor)
    refusesUnpriced = settings.refusesUnpriced
  }

  // MARK: The head

  /// Admits a request, first by the limits of its key, then by those of all keys together. One that
  /// is metered must have a place among those under way too, which `begin` takes.
  func admit(
    _ key: KeyRecord, at now: Instant, wall: WallTime, isMetered: Bool = false
  ) -> LimitDecision {
    let moment = Int64(clamping: now.nanoseconds)
    key.allowance.fitRequests(seconds: windowSeconds)
    if let refusal = key.allowance.refusal(isMetered: isMetered, at: moment) {
      return decision(.key, key.allowance, refusal, moment, wall)
    }
    if let refusal = global.refusal(isMetered: isMetered, at: moment) {
      return decision(.global, global, refusal, moment, wall)
    }
    key.allowance.takeRequest(at: moment)
    global.takeRequest(at: moment)
    return key.allowance.requests == nil
      ? decision(.global, global, nil, moment, wall)
      : decision(.key, key.allowance, nil, moment, wall)
  }

  private func decision(
    _ scope: LimitScope, _ allowance: Allowance, _ refusal: LimitKind?, _ moment: Int64,
    _ wall: WallTime
  ) -> LimitDecision {
    let shown = allowance.requests ?? global.requests
    let wait = shown?.nanosecondsUntilFree(at: moment) ?? 0
    let waitSeconds = refusal == .concurrency ? 1 : wait.wholeSeconds
    // Rounded up, so that a client that comes then is not refused again.
    let reset = (wall.microseconds + wait / 1000 + 999_999).floorDivided(by: 1_000_000)
    return LimitDecision(
      refusal: refusal, scope: scope, limit: shown?.limit ?? 0,
      remaining: refusal == .requests ? 0 : shown?.remaining ?? 0, resetUnixSeconds: reset,
      retryAfterSeconds: waitSeconds)
  }

  /// A metered request has been admitted and is under way.
  func begin(_ key: KeyRecord) {
    key.allowance.begin()
    global.begin()
  }

  /// It has ended.
  func end(_ key: KeyRecord) {
    key.allowance.end()
    global.end()
  }

  // MARK: The end of the body

  /// Whether money is limited for this key, by its own budgets or by those of all.
  func hasBudget(_ key: KeyRecord) -> Bool { key.allowance.hasBudget || global.hasBudget }

  enum Reservation {
    case made(Lease)
    case refused(APIError)
  }

  /// Reserves what a request may come to. `made` is the time of its id, by which its cost belongs
  /// to a day and a month. Under a budget the output is capped at what is left.
  func reserve(
    _ need: RequestNeed, at price: PriceRow?, for key: KeyRecord, at now: Instant, made: WallTime
  ) -> Reservation {
    turn(key, to: made)
    var need = need
    let isHard = hasBudget(key)
    if isHard || refusesUnpriced, price.map({ $0.cost(of: need.worst) == .unpriced }) ?? true {
      return .refused(.modelNotPriced)
    }
    if isHard, let price, let refusal = cap(&need, price, key) { return .refused(refusal) }
    let moment = Int64(clamping: now.nanoseconds)
    let tokens = need.tokensExpected
    if let refusal = tokenRefusal(tokens, key, moment) { return .refused(refusal) }

    var nanoEuro: Int64?
    if case .nanoEuro(let sum)? = price?.cost(of: need.worst) { nanoEuro = sum }
    key.allowance.reserve(nanoEuro ?? 0)
    global.reserve(nanoEuro ?? 0)
    return .made(
      Lease(
        nanoEuro: nanoEuro, isHard: isHard, outputTokensMax: need.outputTokensMax,
        tokens: tokens, amounts: need.amountsExpected, periods: periods, moment: moment,
        keyTokens: key.allowance.takeTokens(tokens, at: moment),
        globalTokens: global.takeTokens(tokens, at: moment)))
  }

  /// Goes to the budgets of a time, of a key too.
  func turn(_ key: KeyRecord, to time: WallTime) {
    turn(to: time)
    key.allowance.turn(to: periods)
  }

  /// Goes to the budgets of a time.
  func turn(to time: WallTime) {
    if time.day != Int64(periods.day) { periods = BudgetPeriods(time) }
    global.turn(to: periods)
  }

  /// Caps the output at what every budget can pay. An error if that is nothing.
  private func cap(
    _ need: inout RequestNeed, _ price: PriceRow, _ key: KeyRecord
  ) -> APIError? {
    for span in BudgetSpan.allCases {
      if let left = key.allowance.left(span), !need.fit(into: left, at: price) {
        if key.allowance.becomesSpent(span) { raise(.budgetSpent, span, key) }
        return .keyBudget
      }
      if let left = global.left(span), !need.fit(into: left, at: price) {
        if global.becomesSpent(span) { raise(.budgetSpent, span, nil) }
        return .globalBudget
      }
    }
    return nil
  }

  private func tokenRefusal(_ tokens: Int64, _ key: KeyRecord, _ moment: Int64) -> APIError? {
    key.allowance.fitTokens(at: moment)
    if let wait = key.allowance.tokenWait(for: tokens, at: moment) {
      return .keyTokens.retrying(after: wait.wholeSeconds)
    }
    global.fitTokens(at: moment)
    if let wait = global.tokenWait(for: tokens, at: moment) {
      return .globalTokens.retrying(after: wait.wholeSeconds)
    }
    return nil
  }

  // MARK: The end

  /// Puts the truth in place of a reservation.
  func settle(_ lease: Lease, of key: KeyRecord, tokens: Int64, nanoEuro: Int64, at now: Instant) {
    let moment = Int64(clamping: now.nanoseconds)
    if let reserved = lease.keyTokens {
      key.allowance.settleTokens(reserved, takenAt: lease.moment, to: tokens, at: moment)
    }
    if let reserved = lease.globalTokens {
      global.settleTokens(reserved, takenAt: lease.moment, to: tokens, at: moment)
    }
    key.allowance.settle(lease.nanoEuro ?? 0, of: lease.periods, to: nanoEuro)
    global.settle(lease.nanoEuro ?? 0, of: lease.periods, to: nanoEuro)
    if lease.isHard { warn(key) }
  }

  private func warn(_ key: KeyRecord) {
    for span in BudgetSpan.allCases {
      if key.allowance.becomesNear(span) { raise(.budgetNear, span, key) }
      if global.becomesNear(span) { raise(.budgetNear, span, nil) }
    }
  }

  private func raise(_ kind: AlarmKind, _ span: BudgetSpan, _ key: KeyRecord?) {
    let date = WallTime(day: Int64(periods.day)).civil.date
    let period = span == .day ? date : String(date.dropLast("-00".count))
    onAlarm(kind, .budget(key: key?.id, period: period))
  }

  // MARK: Before this start

  /// Counts a request that was admitted before this process started. A request that was released
  /// has used nothing but its place.
  func restore(_ past: PastRequest, of key: KeyRecord?, at now: Instant, wall: WallTime) {
    let age = max(0, wall.microseconds - past.at.microseconds)
    // Before the boot of the machine the monotonic clock is negative.
    let moment = Int64(clamping: now.nanoseconds) - age * 1000
    // Admitted is admitted: a limit that was lowered since may be exceeded until the places end.
    if age < Int64(windowSeconds) * 1_000_000 {
      global.takeRequest(at: moment)
      key?.allowance.fitRequests(seconds: windowSeconds)
      key?.allowance.takeRequest(at: moment)
    }
    if age < TokenWindow.seconds * 1_000_000 {
      global.restoreTokens(past.tokens, at: moment)
      key?.allowance.restoreTokens(past.tokens, at: moment)
      share.take(past.amounts, at: moment)
    }
  }

  /// Counts money that was spent on a day, if its periods are among those that are known.
  func restore(_ nanoEuro: Int64, on day: Int64, of key: KeyRecord?) {
    let then = BudgetPeriods(WallTime(day: day))
    global.restore(nanoEuro, of: then)
    key?.allowance.restore(nanoEuro, of: then)
  }

  /// How the token limit of the key stands, else that of all keys; nil if there is none.
  func tokenStanding(_ key: KeyRecord, at now: Instant) -> TokenStanding? {
    let moment = Int64(clamping: now.nanoseconds)
    return key.allowance.tokenStanding(at: moment) ?? global.tokenStanding(at: moment)
  }
}

extension Int64 {
  /// Nanoseconds as whole seconds, rounded up, at least 1: what `Retry-After` says.
  var wholeSeconds: Int { Int(Swift.max(1, (self + 999_999_999) / 1_000_000_000)) }
}
