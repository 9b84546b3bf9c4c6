"""The launcher: one small process that forks, supervises and reaps every container."""
