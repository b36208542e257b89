public import PMSystem

/// How many clients the edge serves, and whom it believes about addresses.
public struct EdgeLimits: Equatable, Sendable {
  /// Event loops; each is a thread.
  public var threads = 1
  public var connectionsMax = 10_000
  public var connectionsPerAddressMax = 256
  /// TLS connections that one address may open each second; ten seconds' worth at once. Each costs
  /// as much as a dozen requests.
  public var handshakesPerAddressPerSecond = 100
  /// Requests that no key pays for (unknown paths, readiness, preflights, pages), from one address
  /// each second; ten seconds' worth at once.
  public var keylessRequestsPerAddressPerSecond = 50
  /// Proxies whose `X-Forwarded-For` is believed; empty: the peer is the client.
  public var trustedProxies: [InternetNetwork] = []
  /// Origins that browsers may call from; empty: any, as every call carries a key anyway.
  public var corsOrigins: [String] = []

  public init() {}

  init(_ members: MemberReader) throws(ConfigurationError) {
    var members = members
    threads = Int(try members.integer("threads", 1...64) ?? Int64(threads))
    connectionsMax = Int(
      try members.integer("connectionsMax", 1...1_000_000) ?? Int64(connectionsMax))
    connectionsPerAddressMax = Int(
      try members.integer("connectionsPerAddressMax", 1...1_000_000)
        ?? Int64(connectionsPerAddressMax))
    handshakesPerAddressPerSecond = Int(
      try members.integer("handshakesPerAddressPerSecond", 1...1_000_000)
        ?? Int64(handshakesPerAddressPerSecond))
    keylessRequestsPerAddressPerSecond = Int(
      try members.integer("keylessRequestsPerAddressPerSecond", 1...1_000_000)
        ?? Int64(keylessRequestsPerAddressPerSecond))
    for text in try members.strings("trustedProxies") ?? [] {
      guard let network = InternetNetwork(text) else {
        throw ConfigurationError(members.name("trustedProxies"), .wrongType("a list of networks"))
      }
      trustedProxies.append(network)
    }
    corsOrigins = try members.strings("corsOrigins") ?? []
    try members.finish()
  }
}
