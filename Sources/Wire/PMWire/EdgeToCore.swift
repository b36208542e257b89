/// What the edge says to core and to admin beside the request itself. Clients cannot say it: the
/// edge drops every `PM-` field they send.
public enum EdgeField {
  /// The client's address, as text.
  public static let clientIP: StaticString = "PM-Client-IP"
  /// The request's id (UUIDv7, 36 characters).
  public static let requestID: StaticString = "PM-Request-ID"
  /// `1` if the client came by TLS.
  public static let tls: StaticString = "PM-TLS"
  /// Core to edge, in an answer: the limit of each client address, as `REQUESTS/SECONDS`. Said in
  /// the first answer of a connection and after each change.
  public static let addressLimit: StaticString = "PM-Address-Limit"
  /// Core to edge, in an interim answer on an idle connection: use it for nothing new. A request
  /// that crosses it on the wire is still answered, so no request is lost.
  public static let goingAway: StaticString = "PM-Going-Away"
}

/// Paths on `core.sock` that no client can reach.
public enum CorePath {
  /// 200 as long as core lives, with or without a vendor: what the supervisor's probe asks, because
  /// a restart of core brings no vendor back.
  public static let alive: StaticString = "/_pm/alive"
  /// 200 when requests can be served, else 503 with the reason.
  public static let ready: StaticString = "/_pm/ready"
}

/// Names of the sockets in the runtime directory.
public enum SocketName {
  public static let core = "core.sock"
  public static let coreControl = "core-control.sock"
  public static let admin = "admin.sock"
  public static let supervisor = "pmctl.sock"
  public static let probe = "probe.sock"
}
