public import PMCrypto
internal import PMJSON

/// The JSON behind the paravisor's report: the key of the virtual TPM, and data of the guest.
public struct RuntimeData: Sendable {
  /// Bits that a key may have.
  private static let keyBits = 2048...4096
  private static let keyName = "HCLAkPub"

  /// The TPM's attestation key. Found by its name: its place in the list is nobody's promise.
  public let attestationKey: RSAPublicKey
  /// What the guest wrote for the report; nil if there is none.
  public let userData: [UInt8]?

  public init(_ bytes: [UInt8]) throws(FailureToken) {
    guard let object = (try? JSONReader.read(bytes))?.object else { throw .runtimeJSON }
    let keys = (object["keys"]?.array ?? []).filter { $0["kid"]?.string == Self.keyName }
    guard keys.count == 1, let key = keys.first.flatMap(Self.key) else { throw .ak }
    attestationKey = key
    userData = object["user-data"]?.string.flatMap(Hex.bytes)
  }

  private static func key(_ jwk: JSONValue) -> RSAPublicKey? {
    guard jwk["kty"]?.string == "RSA", jwk["e"]?.string == "AQAB",
      let modulus = jwk["n"]?.string.flatMap(Base64URL.bytes)
    else { return nil }
    let key = RSAPublicKey(modulus: modulus)
    return keyBits.contains(key.bitCount) ? key : nil
  }
}
