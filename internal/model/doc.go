// Package model reads the audit tags of a Bun model.
//
// [Of] turns Bun's description of a table into a [Model]: which columns are
// tracked, how their values are masked, which columns identify a row and what
// the model is called in events. Capture and retrieval share it, so that both
// mean the same by a tag. A tag that can't be read is an error, never ignored.
package model
