internal import PMLog
internal import PMSystem
internal import PMTLS

/// Where certificate chains and their key lie.
struct CertificatePaths: Sendable {
  /// Best first.
  let certificates: [String]
  let key: String
  /// The last of them is only what the key says of itself.
  let hasSelfSigned: Bool
  /// What the public half of the key is for the life of this process; nil in development, where a
  /// new key may come with a new certificate.
  let publicKey: [UInt8]?

  init(
    _ certificates: [String], selfSigned: String? = nil, key: String, publicKey: [UInt8]? = nil
  ) {
    self.certificates = certificates + (selfSigned.map { [$0] } ?? [])
    hasSelfSigned = selfSigned != nil
    (self.key, self.publicKey) = (key, publicKey)
  }

  fileprivate func isSelfSigned(_ index: Int) -> Bool {
    hasSelfSigned && index == certificates.count - 1
  }
}

/// Keeps the TLS context of one loop in step with the certificate files: read again when their
/// bytes change, never replaced by a pair that does not work. Of several certificates the best that
/// works is taken; from one in use it only goes to a better one.
final class CertificateWatch: EventSource {
  /// A certificate and the key that it was tried with.
  private struct Attempt: Equatable {
    /// Nil if the file could not be read.
    let certificate: [UInt8]?
    let keyGeneration: Int
  }

  private let paths: CertificatePaths
  private let ticketKey: TicketKey
  private unowned let loop: EventLoop
  private let keys: KeyWatch
  private(set) var context: TLSContext?
  private var certified: CertifiedKey?
  private var loaded: (index: Int, attempt: Attempt)?
  /// What was refused last, by index; told about once, not at every look.
  private var refused: [Int: Attempt] = [:]
  private var ticketGeneration = 0

  init(_ paths: CertificatePaths, ticketKey: TicketKey, loop: EventLoop) {
    self.paths = paths
    self.ticketKey = ticketKey
    self.loop = loop
    keys = KeyWatch(paths.key, publicKey: paths.publicKey)
    super.init(nil)
  }

  /// Looks now and then every few seconds. The first look decides whether there is a context.
  func start() throws(SystemError) {
    try loop.add(self)
    look()
    rearm()
  }

  private func rearm() {
    loop.setDeadline(self, loop.now.adding(seconds: EdgeBounds.certificateLookSeconds))
  }

  override func onDeadline() {
    look()
    if let certified, ticketKey.current(at: loop.now).generation != ticketGeneration {
      try? install(certified)
    }
    rearm()
  }

  /// Reads the files, and takes them into use if they are new and good.
  func look() {
    keys.look()
    guard let key = keys.key else { return }
    let last = loaded?.index ?? paths.certificates.count - 1
    for index in paths.certificates.indices.prefix(through: last) where isUsable(index, key) {
      return
    }
  }

  /// Takes a certificate into use if it is good; true if it is in use now.
  private func isUsable(_ index: Int, _ key: PrivateKey) -> Bool {
    let bytesMax = EdgeBounds.certificateFileBytesMax
    let attempt = Attempt(
      certificate: try? FileIO.read(paths.certificates[index], bytesMax: bytesMax),
      keyGeneration: keys.generation)
    if let loaded, loaded.index == index {
      // One that is being replaced is not there for a moment.
      if attempt.certificate == nil || attempt == loaded.attempt { return true }
    }
    if attempt == refused[index] { return false }
    guard let certificate = attempt.certificate else {
      return refuse(index, attempt, .unreadable)
    }
    do throws(TLSError) {
      let pair = try CertifiedKey(certificatePEM: certificate, key: key)
      // Clients see the key as the certificate writes it.
      if let fixed = paths.publicKey, pair.publicKey != fixed { throw .keyDoesNotMatch }
      try install(pair)
      loaded = (index, attempt)
      refused[index] = nil
      Log.write(
        .edge(
          paths.isSelfSigned(index)
            ? .selfSignedServed(daysLeft: pair.daysLeft)
            : .certificateLoaded(daysLeft: pair.daysLeft)))
      return true
    } catch { return refuse(index, attempt, error.logged) }
  }

  private func refuse(
    _ index: Int, _ attempt: Attempt, _ reason: EdgeEvent.CertificateFault
  ) -> Bool {
    refused[index] = attempt
    Log.write(.edge(.certificateRefused(reason: reason)))
    return false
  }

  private func install(_ pair: CertifiedKey) throws(TLSError) {
    let ticket = ticketKey.current(at: loop.now)
    context = try TLSContext(pair, ticketKey: ticket.bytes)
    certified = pair
    ticketGeneration = ticket.generation
  }
}

extension TLSError {
  fileprivate var logged: EdgeEvent.CertificateFault {
    switch self {
    case .certificateUnusable, .keyUnusable, .library: .unusable
    case .keyDoesNotMatch: .mismatch
    case .certificateExpired: .expired
    }
  }
}
