import PMAttest
import PMCrypto
import PMSystem
import PMVerify

/// Certificate servers of a test: what they answer, and what they were asked.
final class PlayedSource: CertificateSource {
  typealias Reply = @Sendable (String, CertificateServer) throws(NetworkFault) -> HTTPAnswer
  private let reply: Reply
  private let log = Guarded<[String]>([])

  init(_ reply: @escaping Reply) { self.reply = reply }

  var asked: [String] { log.withLock { $0 } }

  func get(
    _ target: String, from server: CertificateServer, until deadline: Instant
  ) throws(NetworkFault) -> HTTPAnswer {
    log.withLock { $0.append("\(server) \(target)") }
    return try reply(target, server)
  }
}

/// A certificate as text (RFC 7468).
func pem(_ der: [UInt8]) -> String {
  "-----BEGIN CERTIFICATE-----\n\(Base64.text(der.span))\n-----END CERTIFICATE-----\n"
}
