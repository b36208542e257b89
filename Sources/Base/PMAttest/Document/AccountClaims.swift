public import PMCrypto
public import PMJSON

/// What the claims say of the accounts: who signs receipts, and how long the ledger's chains were
/// when the gate ran.
public struct AccountClaims: Equatable, Sendable {
  /// How far a chain is known: so many rows, and the link of the last of them.
  public struct Head: Equatable, Sendable {
    public var rows: Int64
    public var head: Digest256

    public init(rows: Int64, head: Digest256) { (self.rows, self.head) = (rows, head) }
  }

  public struct Heads: Equatable, Sendable {
    /// Of the requests that have ended.
    public var ledger: Head
    /// Of what administrators did.
    public var audit: Head

    public init(ledger: Head, audit: Head) { (self.ledger, self.audit) = (ledger, audit) }
  }

  /// Public half of the key that signs receipts.
  public var receiptKey: Ed25519PublicKey
  /// Nil if the ledger could not be read.
  public var heads: Heads?

  public init(receiptKey: Ed25519PublicKey, heads: Heads?) {
    (self.receiptKey, self.heads) = (receiptKey, heads)
  }

  // MARK: JSON

  static let noHeads: JSONValue = ["audit": nil, "ledger": nil]

  /// Reads these members among others; nil if there is no key or one is not understood.
  public init?(_ object: JSONObject) {
    guard let key = object["receipt_key"]?.string.flatMap(Ed25519PublicKey.init(hex:)),
      let heads = object["heads"]
    else { return nil }
    self.init(receiptKey: key, heads: nil)
    if heads == Self.noHeads { return }
    guard let ledger = Head(heads["ledger"]), let audit = Head(heads["audit"]) else { return nil }
    self.heads = Heads(ledger: ledger, audit: audit)
  }
}

extension AccountClaims.Heads {
  var json: JSONValue { ["audit": audit.json, "ledger": ledger.json] }
}

extension AccountClaims.Head {
  fileprivate var json: JSONValue { ["head": .string(head.hex), "rows": .integer(rows)] }

  fileprivate init?(_ value: JSONValue?) {
    guard let rows = value?["rows"]?.integer, rows >= 0,
      let bytes = value?["head"]?.string.flatMap(Hex.canonicalBytes),
      let head = Digest256(bytes.span)
    else { return nil }
    self.init(rows: rows, head: head)
  }
}
