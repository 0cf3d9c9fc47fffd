const thread = document.querySelector('#disqus_thread');
thread.append(thread.firstElementChild ? 'Something stood here. ' : '', 'Comments');
