/// Why a primitive could not be made.
public enum CryptoError: Error, Equatable, Sendable {
  /// The library lacks the algorithm, refuses its parameters, or has no memory.
  case unavailable
}
