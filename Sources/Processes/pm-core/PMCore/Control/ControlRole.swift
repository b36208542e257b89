import PMSystem

/// What a caller of the control socket may do.
enum ControlRole: String, Sendable {
  /// Everything.
  case administrator
  /// The admin pages' process: everything but importing and backups.
  case page
}

/// Who has which role, by the uid that the kernel names.
struct ControlAccess: Equatable, Sendable {
  var administratorUIDs: Set<UInt32>
  /// The uid of pm-admin; nil if it has none of its own.
  var pageUID: UInt32?

  /// Root and this process's own uid administer; others as given.
  init(administrators: [UInt32], page: UInt32?) {
    administratorUIDs = Set(administrators + [0, PeerIdentity.ownUID])
    pageUID = page
  }

  /// Nil: nothing is allowed.
  func role(of peer: PeerIdentity) -> ControlRole? {
    if administratorUIDs.contains(peer.uid) { return .administrator }
    return peer.uid == pageUID ? .page : nil
  }
}
