public import PMSystem
internal import PMTLS

/// The servers that certificates come from, and no others.
public enum CertificateServer: Sendable {
  /// AMD's Key Distribution Service (AMD 57230).
  case amd
  /// The metadata service of an Azure machine, which only the machine itself reaches.
  case azure

  var place: Place {
    switch self {
    case .amd: Place(host: "kdsintf.amd.com", port: 443, defaultPort: 443)
    case .azure: Place(host: "169.254.169.254", port: 80, defaultPort: 80)
    }
  }

  /// A chain in PEM and a list of revoked intermediates both fit.
  static let bodyBytesMax = 64 << 10
}

/// How certificate servers are asked: over the network, or in tests.
public protocol CertificateSource: Sendable {
  func get(
    _ target: String, from server: CertificateServer, until deadline: Instant
  ) throws(NetworkFault) -> HTTPAnswer
}

/// The servers themselves.
public struct NetworkSource: CertificateSource {
  private let dialer: Dialer

  /// `environment` holds the variables of `Proxy.environmentNames`; a machine's own metadata are
  /// never asked for through a proxy.
  public init(environment: [String: String] = [:]) { dialer = Dialer(environment: environment) }

  public func get(
    _ target: String, from server: CertificateServer, until deadline: Instant
  ) throws(NetworkFault) -> HTTPAnswer {
    let place = server.place
    let stream: any ByteStream
    var fields: [String] = []
    switch server {
    case .amd:
      let connection = try dialer.secure(to: place, until: deadline)
      // What comes is verified by its own signatures; whom we tell our chip's number is not.
      guard connection.trust == .trusted else { throw .untrusted }
      stream = SecureStream(connection)
    case .azure:
      stream = PlainStream(try dialer.plain(to: place, until: deadline))
      fields = ["Metadata: true"]
    }
    return try HTTPAnswer.get(
      target, of: place.authority, fields: fields, over: stream,
      bodyBytesMax: CertificateServer.bodyBytesMax)
  }
}
