// Command sluice runs Sluice and talks to it.
package main

import (
	"os"

	"github.com/sluice-gate/sluice/services/sluice"
)

func main() { os.Exit(sluice.Main()) }
