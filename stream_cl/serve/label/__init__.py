"""The labelling page: people answer label requests in a browser.

`question` is what is asked, `desk` who has which question, `journal` (in `journal_file`) the
answers until they are published, `form` what may be answered and how a question looks, `office` all
of that behind one lock. `intake` reads the log, `publisher` writes to it. `people` is who may come
in, `gold` questions with a known answer, `tally` how it goes, `looks` what is unusual about an
event, `web` the HTTP side.
"""
