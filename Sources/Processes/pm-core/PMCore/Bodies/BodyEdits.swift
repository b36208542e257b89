/// What core changes in a JSON body besides asking streams for their usage.
struct BodyEdits {
  /// Nil keeps the vendor from caching the prompt; a client's own salt then does not go on either.
  var cacheSalt: CacheSalt?
  /// The output may be capped when the body has ended.
  var clampsOutput = false
}
