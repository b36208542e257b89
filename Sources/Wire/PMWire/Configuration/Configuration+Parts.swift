public import PMJSON
internal import PMSystem

extension Configuration {
  /// The part of the configuration that a process needs, in the form of `appliance.json` itself: a
  /// child reads it with the same reader, and may be run by hand with the whole file.
  public func part(for role: Role) -> JSONValue {
    var part: JSONObject = [
      "profile": .string(profile.rawValue),
      "runtimeDirectory": .string(runtimeDirectory),
    ]
    part["publicName"] = publicName.map { .string($0) }
    switch role {
    case .edge, .edgeKey:
      part["stateDirectory"] = .string(stateDirectory)
      part["listen"] = listenJSON
      part["tls"] = tlsJSON
      part["edge"] = edge.json
      part["limits"] = limits.json
    case .core:
      part["stateDirectory"] = .string(stateDirectory)
      part["limits"] = limits.json
      part["control"] = [
        "admins": .array(control.adminUIDs.map { .integer(Int64($0)) })
      ]
      part["keys"] = ["file": keysFile.map { .string($0) } ?? .null]
      part["vendor"] = [
        "port": .integer(Int64(vendor.port)), "drainSeconds": .integer(Int64(vendor.drainSeconds)),
        "limits": vendor.limits.json,
        "sha256": vendor.sha256.map { .string($0) } ?? .null,
      ]
      part["receipts"] = ["contentDigests": .bool(receipts.hasContentDigests)]
    case .coreDescription: part["stateDirectory"] = .string(stateDirectory)
    case .admin: part["limits"] = limits.json
    case .vendor, .prober, .collateral, .appraiser: break
    }
    return .object(part)
  }

  private var listenJSON: JSONValue {
    [
      "https": .integer(Int64(listen.https)), "http": .integer(Int64(listen.http)),
      "loopbackOnly": .bool(listen.loopbackOnly),
    ]
  }
  private var tlsJSON: JSONValue {
    [
      "certificate": tls.certificate.map { .string($0) } ?? .null,
      "key": tls.key.map { .string($0) } ?? .null,
      "keyStorage": .string(tls.keyStorage.rawValue),
      "challengeDirectory": challengeDirectory.map { .string($0) } ?? .null,
    ]
  }
}

extension EdgeLimits {
  var json: JSONValue {
    [
      "threads": .integer(Int64(threads)), "connectionsMax": .integer(Int64(connectionsMax)),
      "connectionsPerAddressMax": .integer(Int64(connectionsPerAddressMax)),
      "handshakesPerAddressPerSecond": .integer(Int64(handshakesPerAddressPerSecond)),
      "keylessRequestsPerAddressPerSecond": .integer(Int64(keylessRequestsPerAddressPerSecond)),
      "trustedProxies": .array(trustedProxies.map { .string($0.text) }),
      "corsOrigins": .array(corsOrigins.map { .string($0) }),
    ]
  }
}

extension RequestLimits {
  var json: JSONValue {
    var members: JSONObject = [
      "global": global.json, "address": address.json,
      "jsonBodyBytesMax": .integer(Int64(jsonBodyBytesMax)),
      "audioBodyBytesMax": .integer(Int64(audioBodyBytesMax)),
      "refuseUnpriced": .bool(refusesUnpriced),
    ]
    for (limit, name) in Self.allKeysMembers {
      members[name] = allKeys[limit].map { limit.json($0) }
    }
    return .object(members)
  }
}

extension RequestWindow {
  var json: JSONValue {
    ["requests": .integer(Int64(requests)), "windowSeconds": .integer(Int64(seconds))]
  }
}
