/// A request that the binary found fit to forward.
struct Call {
  let route: Route
  let body: Bytes
  /// The request's object; null for forms and bodies that are not looked into.
  var json = JSON.null
  var form = Form()
  var model: Bytes?
  /// The salt that the caller chose; nil means a random one, so nothing is ever found again.
  var salt: Bytes?
  var isStream = false
}
