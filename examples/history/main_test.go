package main

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheStory(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), &out))
	require.Equal(t, `Her versions:
  Mon insert ""
  Thu update "she married"
  Sun delete "tidying up"
On Wed she was Jane Doe.
Two days later:
name: Jane Doe -> Jane Smith
note:
--- old
+++ new
@@ -1,2 +1,2 @@
 Calls on Mondays.
-Likes tea.
+Likes coffee.

Taken back: 1 row.
Behind the hook's back: differs {"id":1}
name: Jane Smith -> Mallory

`, out.String())
}
