package bunaudit

// PrepareAtOnce has the hook prepare statements without waiting for them to come
// again.
func PrepareAtOnce(h *Hook) { h.preparesAtOnce = true }
