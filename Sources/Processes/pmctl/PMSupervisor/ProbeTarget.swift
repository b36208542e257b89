/// What a probe asks. The words are arguments of `pmctl ask`, which is not for people.
public enum ProbeTarget: String, CaseIterable, Sendable {
  /// `GET /health` at a generation's own listener.
  case edge
  /// `GET /health/ready` there: through core to the vendor.
  case path
  case core, admin, vendor
}
