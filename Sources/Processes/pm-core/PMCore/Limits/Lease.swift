/// What a request that costs money holds of the limits, from the end of its body to its own end.
/// Given back once, by `AdmissionDesk.settle`.
struct Lease {
  /// The most that it can cost; nil if it has no price.
  let nanoEuro: Int64?
  /// Whether a budget stands behind that: then no answer goes on beyond it.
  let isHard: Bool
  /// What is written into the request as its cap; nil if no budget says so.
  let outputTokensMax: Int64?
  /// Tokens expected, limits apart.
  let tokens: Int64
  let amounts: VendorAmounts
  /// The periods whose budgets it counts in: those of its id.
  let periods: BudgetPeriods
  /// When its tokens were taken, and how many each window counts.
  let moment: Int64
  let keyTokens: Int64?
  let globalTokens: Int64?
}
