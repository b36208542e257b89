internal import PMSystem

/// A password as it is kept: `scrypt$COST$BLOCK$PARALLEL$SALT$KEY`, salt and key in hexadecimal.
public struct PasswordHash: Equatable, Sendable {
  /// Bytes of salt and of derived key; 128 and 256 bits leave nothing to guess.
  private static let saltBytes = 16
  private static let keyBytes = 32
  /// What a stored text may ask for at most, so that a foreign file cannot stall the sign-in.
  private static let costMax: UInt64 = 1 << 20

  private let parameters: Scrypt
  private let salt: [UInt8]
  private let key: [UInt8]

  /// Hashes a password under a fresh salt; takes as long as `parameters` ask for.
  public init(
    _ password: borrowing Span<UInt8>, parameters: Scrypt = .password
  ) throws(CryptoError) {
    self.parameters = parameters
    let salt = randomBytes(Self.saltBytes)
    self.salt = salt
    key = try parameters.derive(password, salt: salt.span, count: Self.keyBytes)
  }

  /// Reads the text form; nil if it is anything else.
  public init?(_ text: String) {
    let parts = text.split(separator: "$", omittingEmptySubsequences: false)
    guard parts.count == 6, parts[0] == "scrypt", let cost = UInt64(parts[1]),
      cost <= Self.costMax, let block = UInt64(parts[2]), let parallel = UInt64(parts[3]),
      let salt = Hex.bytes(String(parts[4])), let key = Hex.bytes(String(parts[5])),
      salt.count >= Self.saltBytes, key.count == Self.keyBytes
    else { return nil }
    parameters = Scrypt(cost: cost, blockSize: block, parallelism: parallel)
    (self.salt, self.key) = (salt, key)
  }

  public var text: String {
    let numbers = "\(parameters.cost)$\(parameters.blockSize)$\(parameters.parallelism)"
    return "scrypt$\(numbers)$\(Hex.text(salt.span))$\(Hex.text(key.span))"
  }

  /// True if this is the hash of `password`; compared in constant time.
  public func matches(_ password: borrowing Span<UInt8>) -> Bool {
    guard let derived = try? parameters.derive(password, salt: salt.span, count: Self.keyBytes)
    else { return false }
    return equalInConstantTime(derived.span, key.span)
  }
}
