// Package doccode has no code: its test compiles and vets each block of Go in
// README.md and docs, so that what a reader copies works.
//
// A block that begins with "package" is a program as it is. Any other is the
// inside of a function that returns an error; the packages that it names are
// imported, as long as the test knows them, and testdata/known.go declares what
// the text takes for granted: db, ctx, the models. Where one block takes more for
// granted, a comment before it, which readers don't see, declares that:
//
//	<!-- given: var events *kafkasink.Sink -->
package doccode
