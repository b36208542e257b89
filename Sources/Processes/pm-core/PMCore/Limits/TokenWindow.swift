import PMSystem

/// Tokens of the last 60 seconds. A request takes its estimate when it is admitted; its end puts
/// the truth in place of the estimate. Moments are counted in steps, rounded up, so that memory is
/// bounded: a token comes free up to a step late, never early.
struct TokenWindow {
  static let seconds: Int64 = 60
  /// A tenth of a second: 5 KB for each holder of a limit.
  static let stepNanoseconds: Int64 = 100_000_000
  static let stepsPerWindow = 600
  /// No honest request has more; so bounded, no sum of a window leaves 64 bits.
  static let tokensMax: Int64 = 1 << 40

  /// Tokens in any 60 seconds; nil while there is no limit. What was taken stays counted.
  var limit: Int64?
  /// Tokens taken in the window.
  private(set) var taken: Int64 = 0
  /// A ring by the number of the step; one more than the window has, for the step under way.
  private var steps: [Int64]
  private var newest: Int64

  init(limit: Int64?, at now: Int64) {
    self.limit = limit
    steps = Array(repeating: 0, count: Self.stepsPerWindow + 1)
    newest = Self.step(now)
  }

  private static func step(_ moment: Int64) -> Int64 { moment.floorDivided(by: stepNanoseconds) }

  private func place(_ step: Int64) -> Int {
    let count = Int64(steps.count)
    return Int(step - step.floorDivided(by: count) * count)
  }

  private func isWithin(_ step: Int64) -> Bool { step > newest - Int64(steps.count) }

  /// Forgets what was taken a window ago.
  mutating func advance(to now: Int64) {
    let step = Self.step(now)
    if step <= newest { return }
    if taken == 0 || step - newest >= Int64(steps.count) {
      if taken != 0 { for index in steps.indices { steps[index] = 0 } }
      taken = 0
    } else {
      for ended in newest + 1...step {
        taken -= steps[place(ended)]
        steps[place(ended)] = 0
      }
    }
    newest = step
  }

  /// A lone request that is larger than the limit counts as the whole of it.
  func clamped(_ tokens: Int64) -> Int64 { max(0, min(tokens, limit ?? Self.tokensMax)) }

  /// True if so many tokens are free; the window has been advanced.
  func hasRoom(for tokens: Int64) -> Bool { limit.map { taken + tokens <= $0 } ?? true }

  var remaining: Int64 { limit.map { max(0, $0 - taken) } ?? .max }

  /// Takes tokens at a moment, which may lie in the past.
  mutating func take(_ tokens: Int64, at moment: Int64) {
    advance(to: moment)
    let step = Self.step(moment)
    guard isWithin(step) else { return }
    let tokens = max(0, min(tokens, Self.tokensMax))
    steps[place(step)] += tokens
    taken += tokens
  }

  /// Puts the truth in place of what was taken at `moment`. What it is above the estimate counts
  /// from now on.
  mutating func settle(_ reserved: Int64, takenAt moment: Int64, to actual: Int64, at now: Int64) {
    advance(to: now)
    if actual > reserved { return take(actual - reserved, at: now) }
    let step = Self.step(moment)
    guard isWithin(step) else { return }
    steps[place(step)] -= reserved - actual
    taken -= reserved - actual
  }

  /// Nanoseconds until so many tokens are free, if nobody else takes any; the window has been
  /// advanced.
  func nanosecondsUntilRoom(for tokens: Int64, at now: Int64) -> Int64 {
    guard let limit else { return 0 }
    var excess = taken + tokens - limit
    var step = newest - Int64(steps.count)
    while excess > 0, step < newest {
      step += 1
      excess -= steps[place(step)]
    }
    guard step > newest - Int64(steps.count) else { return 0 }
    return max(0, (step + Int64(steps.count)) * Self.stepNanoseconds - now)
  }

  /// Nanoseconds until the whole limit is free again.
  func nanosecondsUntilEmpty(at now: Int64) -> Int64 {
    nanosecondsUntilRoom(for: limit ?? 0, at: now)
  }
}
