internal import PMCrypto

/// What a caller asks of evidence beyond its being genuine.
public struct Rules: Sendable {
  public var profile = Profile.baseline
  /// The only platform that is accepted, if any.
  public var platform: Platform?
  public var expectations = Expectations()
  /// Signers of paravisors that are accepted on Azure, unless expectations name others.
  public var idKeys = ParavisorSigner.accepted
  /// Rows that replace those of `Floors`.
  public var minTCB: [Floors.Key: TCB] = [:]
  /// Bits of PLATFORM_INFO that must be set, beside those of the profile.
  public var platformBits: PlatformFlags = []
  /// DER of AMD's list of revoked intermediates.
  public var revocationList: [UInt8]?
  /// Whether it is a failure that there is no such list.
  public var needsRevocationList = false
  /// Factors that must pass although a verdict does not need them by itself.
  public var required: Set<Factor.Name> = []

  public init() {}
}

/// Whom Microsoft lets sign its paravisor. There is no published list: these are the values of real
/// machines, and a new one comes by configuration or with a release.
public enum ParavisorSigner {
  /// ID_KEY_DIGEST of the machines of 2024 and later, Milan and Genoa. That of 2023, which begins
  /// with 0356215882a8, is accepted by explicit configuration only.
  public static let accepted: [[UInt8]] = [
    "942fd93ebde6ea7a96efadeafc60f1c6b3d10e703b1dafd7"
      + "555b92f7f3d32d0e006767648cba5b102af3d65756af4177"
  ].compactMap(Hex.bytes)
}
