internal import PMSystem
internal import PMTLS

/// Makes connections, directly or through the proxy of the environment.
struct Dialer: Sendable {
  /// The variables of `Proxy.environmentNames` that are there.
  let environment: [String: String]

  /// A full TLS handshake with the server itself, whatever is in between. The system's roots are
  /// asked about it, and the answer is noted.
  func secure(to server: Place, until deadline: Instant) throws(NetworkFault) -> TLSConnection {
    let proxy: Place?
    do throws(Proxy.Fault) {
      proxy = try Proxy.place(for: server, in: environment)
    } catch {
      throw .proxyUnusable
    }
    let stream = try plain(to: proxy ?? server, until: deadline)
    if proxy != nil { try Proxy.openTunnel(to: server, over: stream) }
    do throws(TLSConnectionError) {
      return try TLSConnection(over: stream, host: server.host)
    } catch {
      throw NetworkFault(error)
    }
  }

  /// TCP, without a proxy.
  func plain(to server: Place, until deadline: Instant) throws(NetworkFault) -> TCPStream {
    do throws(StreamFault) {
      let addresses = try HostName.addresses(of: server.host, until: deadline)
      return try TCPStream(to: addresses, port: server.port, until: deadline)
    } catch {
      throw NetworkFault(error)
    }
  }
}
