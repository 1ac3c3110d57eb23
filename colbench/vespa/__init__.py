"""An application's index as a Vespa application: `colbench vespa export my_index`."""
