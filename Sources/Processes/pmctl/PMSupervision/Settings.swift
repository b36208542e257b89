public import PMWire

/// What the machine must know of the configuration.
public struct Settings: Sendable {
  /// Development: no gate runs, and everything says `not attested`.
  public var isDevelopment: Bool
  /// The services that this appliance has.
  public var services: Set<Service>
  /// How long core may finish what is in flight at the vendor.
  public var vendorDrainSeconds: UInt64
  public var vendorStartSeconds: UInt64

  public init(
    isDevelopment: Bool, services: Set<Service> = Set(Service.allCases),
    vendorDrainSeconds: UInt64 = Limits.drainSeconds,
    vendorStartSeconds: UInt64 = Limits.vendorStartSeconds
  ) {
    self.isDevelopment = isDevelopment
    self.services = services
    self.vendorDrainSeconds = vendorDrainSeconds
    self.vendorStartSeconds = vendorStartSeconds
  }
}
