internal import PMLog
internal import PMSystem
internal import PMTLS

/// Where the certificate chain and its key lie.
struct CertificatePaths: Sendable {
  var certificate: String
  var key: String
}

/// Keeps the TLS context of one loop in step with the certificate files: read again when their
/// bytes change, never replaced by a pair that does not work.
final class CertificateWatch: EventSource {
  private let paths: CertificatePaths
  private let ticketKey: TicketKey
  private unowned let loop: EventLoop
  private(set) var context: TLSContext?
  private var loadedCertificate: [UInt8] = []
  private var loadedKey: [UInt8] = []
  private var refusedCertificate: [UInt8] = []
  private var refusedKey: [UInt8] = []
  private var certified: CertifiedKey?
  private var ticketGeneration = 0

  init(_ paths: CertificatePaths, ticketKey: TicketKey, loop: EventLoop) {
    self.paths = paths
    self.ticketKey = ticketKey
    self.loop = loop
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

  /// Reads both files, and takes them into use if they are new and good.
  func look() {
    guard let (certificate, key) = readPair() else { return }
    if certificate == loadedCertificate && key == loadedKey { return }
    // A bad pair is told about once, not at every look.
    if certificate == refusedCertificate && key == refusedKey { return }
    do {
      let pair = try CertifiedKey(certificatePEM: certificate, keyPEM: key)
      try install(pair)
      (loadedCertificate, loadedKey) = (certificate, key)
      (refusedCertificate, refusedKey) = ([], [])
      Log.write(.edge(.certificateLoaded(daysLeft: pair.daysLeft)))
    } catch {
      (refusedCertificate, refusedKey) = (certificate, key)
      Log.write(.edge(.certificateRefused(reason: error.logged)))
    }
  }

  private func readPair() -> ([UInt8], [UInt8])? {
    let bytesMax = EdgeBounds.certificateFileBytesMax
    do {
      return (
        try FileIO.read(paths.certificate, bytesMax: bytesMax),
        try FileIO.read(paths.key, bytesMax: bytesMax)
      )
    } catch {
      if context == nil { Log.write(.edge(.certificateRefused(reason: .unreadable))) }
      return nil
    }
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
