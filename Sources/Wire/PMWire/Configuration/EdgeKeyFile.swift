/// The files of a TLS key that was born in this machine, in a folder of the edge's own account.
public enum EdgeKeyFile: String, CaseIterable, Sendable {
  case key = "key.pem"
  /// The key's request for a certificate, for an ACME client that never sees the key.
  case request = "request.csr"
  /// By which the key vouches for itself until there is a better one.
  case certificate = "certificate.pem"
  case lock
}
