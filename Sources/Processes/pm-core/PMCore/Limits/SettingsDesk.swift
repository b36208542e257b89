import PMWire

/// The limits in force: what was saved here, member by member, else the configuration.
final class SettingsDesk {
  private let configured: CoreControl.LimitSettings
  private(set) var saved: [SettingName: Int64]
  private let limits: LimitDesk
  /// Told whenever a limit of client addresses changes; the edge enforces it.
  var onAddressLimit: ((RequestWindow) -> Void)?

  init(configured: RequestLimits, saved: [SettingName: Int64], limits: LimitDesk) {
    self.configured = CoreControl.LimitSettings(configured)
    self.saved = saved
    self.limits = limits
    limits.change(global: inForce.global)
  }

  var inForce: CoreControl.LimitSettings {
    var settings = configured
    if let value = saved[.globalRequests] { settings.globalRequests = value }
    if let value = saved[.globalSeconds] { settings.globalSeconds = value }
    if let value = saved[.addressRequests] { settings.addressRequests = value }
    if let value = saved[.addressSeconds] { settings.addressSeconds = value }
    return settings
  }

  /// The members that a change touches.
  static func members(
    of change: CoreControl.LimitChange
  ) -> [(name: SettingName, value: Int64?)] {
    let all: [(SettingName, MemberChange<Int64>)] = [
      (.globalRequests, change.globalRequests), (.globalSeconds, change.globalSeconds),
      (.addressRequests, change.addressRequests), (.addressSeconds, change.addressSeconds),
    ]
    return all.compactMap { name, member in
      switch member {
      case .keep: nil
      case .clear: (name, nil)
      case .set(let value): (name, value)
      }
    }
  }

  /// Puts saved members in force, all at once.
  func apply(_ members: [(name: SettingName, value: Int64?)]) {
    let before = inForce
    for (name, value) in members { saved[name] = value }
    if inForce.global != before.global { limits.change(global: inForce.global) }
    if inForce.address != before.address { onAddressLimit?(inForce.address) }
  }
}
