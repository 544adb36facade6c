// Command sluice-client is the command line of Sluice without `sluice up`: for CI, and for whoever has Sluice running elsewhere. It is
// a third of the size, and does not know how to be a broker.
package main

import (
	"os"

	"github.com/sluice-gate/sluice/services/sluice/internal/cli"
)

func main() { os.Exit(int(cli.Main(cli.Up{}))) }
