public import PMAttest

/// What the product takes from outside itself to judge a machine: the roots it trusts, and the
/// machine. There is one; tests make others and pass them in, and no setting can.
public struct World: Sendable {
  public let anchors: TrustAnchors
  public let machine: Machine

  public init(anchors: TrustAnchors, machine: Machine) {
    (self.anchors, self.machine) = (anchors, machine)
  }

  public static let real = World(anchors: .amd, machine: .real)
}
