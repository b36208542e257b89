internal import PMSystem
internal import PMWire

/// All listening sockets. Children inherit them, so a connection waits while a child is replaced.
final class Listeners {
  private(set) var https: OwnedDescriptor?
  private(set) var http: OwnedDescriptor?
  private(set) var core: OwnedDescriptor?
  private(set) var coreControl: OwnedDescriptor?
  private(set) var admin: OwnedDescriptor?
  /// Public listeners that an earlier run left in the fd store of systemd.
  private var stored: InheritedDescriptors
  private let store: Notifier?

  /// Names in the fd store, for which a unit makes room by `FileDescriptorStoreMax=`.
  private static let storedNames = [Inheritance.Name.https, .http]

  init(stored: InheritedDescriptors, store: Notifier?) {
    (self.stored, self.store) = (stored, store)
  }

  /// Which port could not be had.
  struct Failure: Error {
    let port: UInt16
    let errno: Int32
  }

  /// Makes what is missing. Only to be called when the gate is open.
  func open(_ configuration: Configuration) throws(Failure) {
    let listen = configuration.listen
    if https == nil { https = try tcp(.https, listen.https, listen.loopbackOnly) }
    if http == nil { http = try tcp(.http, listen.http, listen.loopbackOnly) }
    if core == nil { core = try unix(SocketName.core, configuration) }
    if coreControl == nil { coreControl = try unix(SocketName.coreControl, configuration) }
    if admin == nil { admin = try unix(SocketName.admin, configuration) }
    keep(.https, https)
    keep(.http, http)
  }

  private func tcp(
    _ name: Inheritance.Name, _ port: UInt16, _ loopbackOnly: Bool
  ) throws(Failure) -> OwnedDescriptor {
    if let earlier = stored.take(name.rawValue) { return earlier }
    do throws(SystemError) {
      return try TCPSocket.listen(port: port, loopbackOnly: loopbackOnly)
    } catch {
      throw Failure(port: port, errno: error.number)
    }
  }

  private func unix(
    _ name: String, _ configuration: Configuration
  ) throws(Failure) -> OwnedDescriptor {
    do throws(SystemError) {
      return try UnixSocket.listen(
        path: "\(configuration.runtimeDirectory)/\(name)", mode: Self.mode(configuration.profile))
    } catch {
      throw Failure(port: 0, errno: error.number)
    }
  }

  /// In production clients have other uids than servers, and servers look at SO_PEERCRED.
  static func mode(_ profile: Profile) -> UInt32 { profile == .production ? 0o666 : 0o600 }

  private func keep(_ name: Inheritance.Name, _ socket: borrowing OwnedDescriptor?) {
    guard let store else { return }
    switch socket {
    case .some(let socket):
      store.send(["FDSTORE=1", "FDNAME=\(name.rawValue)"], descriptor: socket)
    case .none: break
    }
  }

  /// Shuts both ports; false if none was open. A stored descriptor would keep the socket alive, so
  /// it goes by name.
  func closePublic() -> Bool {
    var wasOpen = isHeld(https) || isHeld(http)
    https = nil
    http = nil
    for name in Self.storedNames where isHeld(stored.take(name.rawValue)) { wasOpen = true }
    guard wasOpen else { return false }
    for name in Self.storedNames {
      store?.send(["FDSTOREREMOVE=1", "FDNAME=\(name.rawValue)"])
    }
    return true
  }

  private func isHeld(_ socket: borrowing OwnedDescriptor?) -> Bool {
    switch socket {
    case .some: true
    case .none: false
    }
  }
}
