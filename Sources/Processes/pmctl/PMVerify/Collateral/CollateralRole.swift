internal import PMAttest
internal import PMCrypto
public import PMSystem

/// The one-shot role that gets certificates for the gate, which itself reads neither HTTP nor TLS:
/// `SOURCE FOLDER CHIP TCB KIND [PRODUCT]`. What it prints is untrusted.
public enum CollateralRole {
  enum Place: String { case cache, imds, kds }

  /// For all that AMD's service is asked in one run.
  private static let secondsMax: UInt64 = 20

  public enum Fault: Error, Equatable, Sendable {
    case usage
    /// AMD's service was asked less than a minute ago.
    case tooSoon
    case network(NetworkFault)
    /// The source has nothing that is wanted.
    case nothing
    case cacheUnusable(errno: Int32)
  }

  /// What to print.
  public static func run(
    _ words: [String], source: any CertificateSource, at now: WallTime
  ) throws(Fault) -> [UInt8] {
    guard (5...6).contains(words.count), let place = Place(rawValue: words[0]),
      let wanted = wanted(Array(words[2...]))
    else { throw .usage }
    let cache = CertificateCache(words[1])
    let found = try find(wanted, at: place, source, cache, now)
    if place != .cache { keep(found, wanted, in: cache) }
    let lines = found.lines
    guard (1...FoundCertificates.linesBytesMax).contains(lines.count) else { throw .nothing }
    return lines
  }

  private static func wanted(_ words: [String]) -> Wanted? {
    guard let chip = Hex.bytes(words[0]), let tcb = Hex.bytes(words[1]),
      let kind = KeyKind(rawValue: words[2].uppercased())
    else { return nil }
    guard words.count == 4 else { return Wanted(chip: chip, tcb: tcb, kind: kind, product: nil) }
    guard let product = Product(rawValue: words[3]) else { return nil }
    return Wanted(chip: chip, tcb: tcb, kind: kind, product: product)
  }

  private static func find(
    _ wanted: Wanted, at place: Place, _ source: any CertificateSource, _ cache: CertificateCache,
    _ now: WallTime
  ) throws(Fault) -> FoundCertificates {
    if place == .cache { return cache.read(wanted) }
    // A report that does not name its product cannot be asked about.
    if place == .kds, wanted.product == nil { throw .nothing }
    if place == .kds { try beginPause(cache, now) }
    do throws(NetworkFault) {
      if place == .imds { return try HostMetadata(source: source).certificates() }
      let deadline = Instant.now().adding(seconds: secondsMax)
      return try KeyDistribution(source, until: deadline).certificates(wanted)
    } catch {
      throw .network(error)
    }
  }

  /// The pause is on disk before the question is asked, so that a crash cannot skip it.
  private static func beginPause(_ cache: CertificateCache, _ now: WallTime) throws(Fault) {
    guard cache.mayAsk(at: now) else { throw .tooSoon }
    do throws(SystemError) {
      try cache.noteAsked(at: now)
    } catch {
      throw .cacheUnusable(errno: error.number)
    }
  }

  private static func keep(
    _ found: FoundCertificates, _ wanted: Wanted, in cache: CertificateCache
  ) {
    guard !found.isEmpty else { return }
    do throws(SystemError) {
      try cache.write(found, wanted)
    } catch {
      // What was found serves this run all the same; the next one asks again.
    }
  }
}
