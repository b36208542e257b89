internal import PMJSON

/// What pmctl says of the appliance at this moment.
struct Standing: Equatable, Sendable {
  struct Service: Equatable, Sendable {
    var name: String
    var state: String
    var restarts: Int64
    /// Why it ended last; empty if it never did.
    var lastEnd: String
  }

  /// The word of the gate: `passed`, `not attested`, …
  var gate: String
  /// True if a stand-in plays the vendor.
  var hasStandIn: Bool
  /// What core measures of the vendor: `up`, `starting`, …; nil before it said so.
  var vendorHealth: String?
  var services: [Service]
}

extension Standing {
  /// Reads the status of pmctl; nil if it is of another form.
  init?(_ json: JSONValue) {
    guard let gate = json["gate"]?["state"]?.string, let rows = json["services"]?.array,
      let hasStandIn = json["vendor_stand_in"]?.boolean
    else { return nil }
    (self.gate, self.hasStandIn, services) = (gate, hasStandIn, [])
    for row in rows {
      guard let name = row["service"]?.string, let state = row["state"]?.string,
        let restarts = row["restarts"]?.integer
      else { return nil }
      services.append(
        Service(
          name: name, state: state, restarts: restarts, lastEnd: row["last"]?.string ?? ""))
      if let health = row["health"]?.string { vendorHealth = health }
    }
  }
}
