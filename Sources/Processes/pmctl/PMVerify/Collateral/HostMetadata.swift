internal import PMAttest
internal import PMJSON
internal import PMSystem

/// The certificates that an Azure host keeps for its guests. They may lag behind its firmware.
struct HostMetadata: Sendable {
  private static let target = "/metadata/THIM/amd/certification"
  private static let triesMax = 3
  /// For one try; the service is on the same machine.
  private static let secondsMax: UInt64 = 5

  let source: any CertificateSource

  func certificates() throws(NetworkFault) -> FoundCertificates {
    var fault = NetworkFault.timedOut
    for _ in 0..<Self.triesMax {
      do throws(NetworkFault) {
        let deadline = Instant.now().adding(seconds: Self.secondsMax)
        let answer = try source.get(Self.target, from: .azure, until: deadline)
        guard answer.status == 200 else { throw .refused(status: answer.status) }
        return Self.read(answer.body)
      } catch {
        fault = error
      }
    }
    throw fault
  }

  /// Certificates in PEM, within JSON; what is not there or not readable is missing.
  static func read(_ body: [UInt8]) -> FoundCertificates {
    guard let document = try? JSONReader.read(body) else { return FoundCertificates() }
    func certificates(_ member: String) -> [[UInt8]] {
      PEM.certificates(in: Array((document[member]?.string ?? "").utf8))
    }
    let chain = certificates("certificateChain")
    var found = FoundCertificates(vek: certificates("vcekCert").first)
    if chain.count == 2 { (found.intermediate, found.ark) = (chain[0], chain[1]) }
    return found
  }
}
