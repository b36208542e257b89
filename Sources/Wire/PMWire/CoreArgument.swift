/// What pm-core may be asked by its first argument, instead of serving.
public enum CoreArgument: String, Sendable {
  /// To print the public half of the key of receipts, which is made if there is none, and the heads
  /// of the ledger's chains, as one line of JSON.
  case describe = "--describe"
  /// To put a backup in the place of the ledger.
  case restore = "--restore"
}
