"""The package index: releases of a package, and the Pythons and platforms that a wheel fits."""
