import PMWire

/// The settings in force: what was saved here, one by one, else the configuration.
final class SettingsDesk {
  private let configured: CoreControl.LimitSettings
  private(set) var saved: [CoreControl.Setting: Int64]
  let admission: AdmissionDesk
  /// Told whenever a limit of client addresses changes; the edge enforces it.
  var onAddressLimit: ((RequestWindow) -> Void)?

  init(configured: CoreControl.LimitSettings, saved: [CoreControl.Setting: Int64]) {
    self.configured = configured
    self.saved = saved
    admission = AdmissionDesk(configured.overridden(by: saved))
  }

  var inForce: CoreControl.LimitSettings { configured.overridden(by: saved) }

  /// Puts saved settings in force, all at once; nil returns to the configuration.
  func apply(_ changes: [(setting: CoreControl.Setting, value: Int64?)]) {
    let before = inForce
    for (setting, value) in changes { saved[setting] = value }
    admission.change(to: inForce)
    if inForce.address != before.address { onAddressLimit?(inForce.address) }
  }
}

extension CoreControl.LimitSettings {
  fileprivate func overridden(by saved: [CoreControl.Setting: Int64]) -> Self {
    var settings = self
    for (setting, value) in saved { settings[setting] = value }
    return settings
  }
}

extension CoreControl.LimitChange {
  /// What it sets, and what it returns to the configuration, in the order of the settings.
  var values: [(setting: CoreControl.Setting, value: Int64?)] {
    CoreControl.Setting.allCases.compactMap { setting in
      let change = self[setting]
      return change == .keep ? nil : (setting, change.applied(to: nil))
    }
  }
}
