public import PMJSON

extension CoreControl {
  /// Of a passphrase, in UTF-8. Twelve bytes of chance are out of reach behind scrypt.
  public static let passphraseBytesRange = 12...1024

  /// Asks for a backup under a passphrase.
  public struct BackupOrder: Sendable {
    public let passphrase: String
    public let reason: String?

    public init(passphrase: String, reason: String?) {
      (self.passphrase, self.reason) = (passphrase, reason)
    }

    public init(body: [UInt8]) throws(Fault) {
      var reader = try BodyReader(body)
      let range = CoreControl.passphraseBytesRange
      guard let passphrase = reader.take("passphrase")?.string else {
        throw Fault("passphrase", .missing)
      }
      guard range.contains(passphrase.utf8.count) else {
        throw Fault(
          "passphrase", .outOfRange(Int64(range.lowerBound)...Int64(range.upperBound)))
      }
      self.passphrase = passphrase
      reason = try reader.text("reason", charactersMax: CoreControl.descriptionCharactersMax)
      try reader.finish()
    }

    public var json: JSONValue {
      var members: JSONObject = ["passphrase": .string(passphrase)]
      members["reason"] = reason.map { .string($0) }
      return .object(members)
    }
  }
}
