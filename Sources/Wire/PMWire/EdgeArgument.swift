/// The arguments that pm-edge is given beside its configuration.
public enum EdgeArgument {
  /// Instead of serving: makes or reads the TLS key and prints the digest of its public half.
  public static let prepareKey = "--prepare-key"
  /// Before the digest of the key that the gate has proved, as 64 digits: no other key may serve.
  public static let provenKey = "--proven-key"
}
