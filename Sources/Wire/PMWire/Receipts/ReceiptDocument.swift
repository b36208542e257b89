public import PMJSON

/// A receipt with its signature, as it is handed out and kept. Its bytes are canonical JSON: there
/// is one form, and anything else is refused.
public struct ReceiptDocument: Equatable, Sendable {
  /// The largest has about 2 KiB.
  public static let bytesMax = 16 * 1024

  public let receipt: JSONObject
  /// Ed25519, 64 lower-case digits.
  public let publicKey: String
  /// Over `signedBytes`, 128 lower-case digits.
  public let signature: String

  public init(_ receipt: JSONObject, publicKey: String, signature: String) {
    (self.receipt, self.publicKey, self.signature) = (receipt.canonical, publicKey, signature)
  }

  /// Reads the bytes of a file, which may end with one line feed.
  public init?(_ bytes: [UInt8]) {
    let text = bytes.last == UInt8(ascii: "\n") ? Array(bytes.dropLast()) : bytes
    guard text.count <= Self.bytesMax, let document = try? JSONReader.read(text),
      let receipt = document["receipt"]?.object, let publicKey = document["public_key"]?.string,
      let signature = document["signature"]?.string
    else { return nil }
    self.init(receipt, publicKey: publicKey, signature: signature)
    guard self.bytes == text else { return nil }
  }

  public var bytes: [UInt8] {
    JSONValue.object([
      "public_key": .string(publicKey), "receipt": .object(receipt),
      "signature": .string(signature),
    ]).utf8
  }

  /// What the signature is over.
  public var signedBytes: [UInt8] { Self.signedBytes(receipt) }

  public static func signedBytes(_ receipt: JSONObject) -> [UInt8] {
    Array(ReceiptForm.label.utf8) + JSONValue.object(receipt.canonical).utf8
  }
}
